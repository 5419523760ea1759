package tor

import (
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cretz/bine/control"
)

// Timeout of one command. A tor that takes longer is taken for dead: the
// connection is closed, since its answers would no longer fit the questions.
const Timeout = time.Minute

// Conn is an authenticated control connection. Commands may come from several
// goroutines; a connection that has been given to [Conn.Events] takes none.
type Conn struct {
	mu   sync.Mutex
	raw  net.Conn
	ctl  *control.Conn
	once sync.Once
	done chan struct{}
}

// Dial connects to a control socket and authenticates with the cookie, if tor wants one.
func Dial(socket string) (*Conn, error) {
	raw, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("control socket of tor: %w", err)
	}
	c := &Conn{raw: raw, ctl: control.NewConn(textproto.NewConn(raw)), done: make(chan struct{})}
	_ = raw.SetDeadline(time.Now().Add(Timeout))
	if err := c.authenticate(); err != nil {
		c.Close()
		return nil, fmt.Errorf("authenticating to tor: %w", err)
	}
	return c, nil
}

// authenticate shows tor that we can read its cookie. The library does that, but
// reads no cookie's path that tor had to escape; it takes ours from its cache.
func (c *Conn) authenticate() error {
	info, err := c.ctl.ProtocolInfo()
	if err != nil {
		return err
	}
	for _, l := range info.RawResponse.Data {
		auth, ok := strings.CutPrefix(l, "AUTH METHODS=")
		if !ok {
			continue
		}
		methods, file, found := strings.Cut(auth, " COOKIEFILE=")
		info.AuthMethods = strings.Split(methods, ",")
		if !found {
			continue
		}
		if info.CookieFile, ok = unquote(file); !ok {
			return fmt.Errorf("tor names its cookie %s, which is no path", file)
		}
	}
	return c.ctl.Authenticate("")
}

// unquote reads a string as tor writes it: between quotes, other bytes than
// letters of ASCII behind a backslash, in octal.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	var b []byte
	for len(s) > 0 {
		if s[0] == '"' {
			return "", false
		}
		if s[0] != '\\' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		if len(s) < 2 {
			return "", false
		}
		if at := strings.IndexByte(`nrt"'\`, s[1]); at >= 0 {
			b, s = append(b, "\n\r\t\"'\\"[at]), s[2:]
			continue
		}
		if len(s) < 4 {
			return "", false
		}
		n, err := strconv.ParseUint(s[1:4], 8, 8)
		if err != nil {
			return "", false
		}
		b, s = append(b, byte(n)), s[4:]
	}
	return string(b), true
}

// Refused is tor's answer to a command it understood and did not carry out.
type Refused struct {
	Code int
	Text string
}

func (r *Refused) Error() string { return fmt.Sprintf("tor refused: %d %s", r.Code, r.Text) }

// Do sends one command and gives the lines of the answer, without the final
// "OK". An error that is no [*Refused] has closed the connection.
func (c *Conn) Do(command string) ([]string, error) {
	if strings.ContainsAny(command, "\r\n") {
		return nil, errors.New("a line break in a command to tor")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.raw.SetDeadline(time.Now().Add(Timeout))
	r, err := c.ctl.SendRequest("%s", command)
	if r == nil || r.Err == nil {
		c.Close()
		return nil, fmt.Errorf("tor does not answer: %w", err)
	}
	// The library knows 250 and 251 only; 252 is success too.
	if r.Err.Code/100 != 2 {
		return nil, &Refused{r.Err.Code, r.Err.Msg}
	}
	if r.Reply == "OK" {
		return r.Data, nil
	}
	return r.DataWithReply(), nil
}

// Info is GETINFO of one key.
func (c *Conn) Info(key string) (string, error) {
	lines, err := c.Do("GETINFO " + key)
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		if v, ok := strings.CutPrefix(l, key+"="); ok {
			return strings.TrimPrefix(v, "\r\n"), nil
		}
	}
	return "", fmt.Errorf("tor does not say %s", key)
}

// Events subscribes and calls f with every event line ("HS_DESC UPLOADED …"),
// until the connection ends. The reading is our own: the library's channels
// block the whole connection when one of them is not read.
func (c *Conn) Events(names string, f func(string)) error {
	if _, err := c.Do("SETEVENTS " + names); err != nil {
		return err
	}
	_ = c.raw.SetDeadline(time.Time{})
	go func() {
		defer c.Close()
		for {
			r, err := c.ctl.ReadResponse()
			if err != nil {
				return
			}
			if r.IsAsync() {
				f(r.Reply)
			}
		}
	}()
	return nil
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close ends the connection; onions that were added through it end with it.
func (c *Conn) Close() {
	c.once.Do(func() {
		_ = c.raw.Close()
		close(c.done)
	})
}
