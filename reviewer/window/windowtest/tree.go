package windowtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// What screen readers call.
const (
	atspi      = "org.a11y.atspi."
	accessible = atspi + "Accessible"
	registry   = atspi + "Registry"
	rootPath   = "/org/a11y/atspi/accessible/root"
)

// Node is a thing in the tree that a screen reader walks.
type Node struct {
	s          *Session
	at         dbus.BusObject
	Role, Name string
}

// accessibility connects to the bus of screen readers, which starts with the first who asks for it.
func (s *Session) accessibility() {
	s.Helper()
	address := strings.TrimSpace(s.Run("dbus-send", "--session", "--print-reply=literal", "--dest=org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress"))
	conn, err := dbus.Connect(address)
	if err != nil {
		s.Fatalf("connecting to the accessibility bus: %v", err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	s.bus = conn
}

// roles are names of roles by number, as AT-SPI calls them: WebKit gives numbers only.
var roles = map[uint32]string{
	7: "check box", 11: "combo box", 16: "dialog", 20: "filler", 23: "frame", 27: "image", 29: "label", 31: "list", 32: "list item",
	33: "menu", 35: "menu item", 40: "password text", 42: "progress bar", 43: "push button", 44: "radio button", 54: "status bar",
	55: "table", 56: "table cell", 57: "column header", 58: "row header", 73: "paragraph", 75: "application", 79: "entry", 83: "heading",
	85: "section", 87: "form", 88: "link", 90: "table row", 95: "document web", 101: "notification", 103: "level bar", 105: "block quote",
	109: "article", 110: "landmark", 116: "static",
}

// reference is how the bus names a node.
type reference struct {
	Owner string
	Path  dbus.ObjectPath
}

func (s *Session) node(r reference) *Node {
	n := &Node{s: s, at: s.bus.Object(r.Owner, r.Path)}
	var role uint32
	if n.at.Call(accessible+".GetRole", 0).Store(&role) == nil { // a node may go while it is looked at
		if n.Role = roles[role]; n.Role == "" {
			n.Role = fmt.Sprintf("role %d", role)
		}
	}
	if v, err := n.at.GetProperty(accessible + ".Name"); err == nil {
		n.Name, _ = v.Value().(string)
	}
	return n
}

func (n *Node) children() []*Node {
	var list []reference
	if n.at.Call(accessible+".GetChildren", 0).Store(&list) != nil {
		return nil
	}
	if len(list) == 0 && n.Role == "filler" { // GTK lists the tree of another process only to who counts
		var r reference
		if n.at.Call(accessible+".GetChildAtIndex", 0, int32(0)).Store(&r) == nil && r.Path != "/org/a11y/atspi/null" {
			list = append(list, r)
		}
	}
	all := make([]*Node, len(list))
	var looking sync.WaitGroup
	for i, r := range list {
		looking.Go(func() { all[i] = n.s.node(r) })
	}
	looking.Wait()
	return all
}

// Text is what stands in a node itself.
func (n *Node) Text() string {
	var text string
	_ = n.at.Call(atspi+"Text.GetText", 0, int32(0), int32(-1)).Store(&text)
	return strings.ReplaceAll(text, "\ufffc", "") // where a child stands
}

// All is a node and everything below it, in reading order.
func (n *Node) All() []*Node {
	all := []*Node{n}
	for _, c := range n.children() {
		all = append(all, c.All()...)
	}
	return all
}

// Words is all that a node and those below say.
func (n *Node) Words() string {
	var b strings.Builder
	for _, m := range n.All() {
		text := m.Text()
		if text == "" {
			text = m.Name
		}
		if text != "" {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

// Press does what a click on it does.
func (n *Node) Press() {
	n.s.Helper()
	var done bool
	if err := n.at.Call(atspi+"Action.DoAction", 0, int32(0)).Store(&done); err != nil || !done {
		n.s.Fatalf("pressing %s %q: %v %v", n.Role, n.Name, done, err)
	}
}

// Focus moves the keyboard to it.
func (n *Node) Focus() {
	n.s.Helper()
	var done bool
	if err := n.at.Call(atspi+"Component.GrabFocus", 0).Store(&done); err != nil || !done {
		n.s.Fatalf("moving to %s %q: %v %v", n.Role, n.Name, done, err)
	}
	n.s.Until(fmt.Sprintf("%s %q has the keyboard", n.Role, n.Name), n.Focused)
}

// focused is the number of the state in AT-SPI.
const focused = 12

// Focused says whether the keyboard is at a node.
func (n *Node) Focused() bool {
	var states []uint32
	return n.at.Call(accessible+".GetState", 0).Store(&states) == nil && len(states) > 0 && states[0]&(1<<focused) != 0
}

// Same says whether two nodes are one thing.
func (n *Node) Same(m *Node) bool {
	return n != nil && m != nil && n.at.Destination() == m.at.Destination() && n.at.Path() == m.at.Path()
}

// Focus is what the keyboard is at: in the page, if it is at anything there.
func (s *Session) Focus() (at *Node) {
	for _, w := range s.Windows() {
		for _, n := range w.All() {
			if n.Focused() {
				at = n
			}
		}
	}
	return at
}

// WaitFocus waits until the keyboard is at a node of a role and a name.
func (s *Session) WaitFocus(role, name string) (at *Node) {
	s.Helper()
	s.Until(fmt.Sprintf("the keyboard is at %s %q", role, name), func() bool {
		at = s.Focus()
		return at != nil && at.Role == role && at.Name == name
	})
	return at
}

// Windows are the open windows of the desk.
func (s *Session) Windows() []*Node {
	var list []*Node
	for _, app := range s.node(reference{registry, rootPath}).children() {
		if app.Name == "postern-desk" {
			list = append(list, app)
		}
	}
	return list
}

// Page is the words of the newest window, for a look.
func (s *Session) Page() string {
	if w := s.Windows(); len(w) > 0 {
		return w[len(w)-1].Words()
	}
	return ""
}

// Find looks for a node of a role and a name in all windows; nil when there is none.
func (s *Session) Find(role, name string) *Node {
	for _, w := range s.Windows() {
		all := w.All()
		if i := slices.IndexFunc(all, func(n *Node) bool { return n.Role == role && n.Name == name }); i >= 0 {
			return all[i]
		}
	}
	return nil
}

// Wait waits for a node of a role and a name.
func (s *Session) Wait(role, name string) *Node {
	s.Helper()
	var n *Node
	s.Until(fmt.Sprintf("there is %s %q", role, name), func() bool { n = s.Find(role, name); return n != nil })
	return n
}

// Until waits until something holds.
func (s *Session) Until(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(Patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) || !s.last.Running() && len(s.Windows()) == 0 {
			s.Screenshot("failed")
			s.Fatalf("never: %s. The window shows:\n%s", what, s.outline())
		}
	}
}

// outline is the tree, for a test that failed.
func (s *Session) outline() string {
	var b strings.Builder
	for _, w := range s.Windows() {
		for _, n := range w.All() {
			fmt.Fprintf(&b, "%s %q\n", n.Role, n.Name)
		}
	}
	return b.String()
}

// Press waits for a node and presses it.
func (s *Session) Press(role, name string) { s.Helper(); s.Wait(role, name).Press() }
