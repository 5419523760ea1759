package statistics

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

// Sizes of a chart, in its own units; whoever shows it scales it.
const (
	chartWidth  = 640
	chartLine   = 26
	chartWords  = 300 // for words
	chartNumber = 56  // for numbers
)

// Chart draws a section as bars: an SVG to stand in a page, with a title for who cannot see it, no
// script, no style and no address. It takes its colours from the page (currentColor). In
// a language that is written from the right it begins there.
func (s *Section) Chart(w *Words) template.HTML {
	var b strings.Builder
	rtl := w.Dir() == "rtl"
	height := chartLine * len(s.Lines)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 %d %d" width="100%%" direction="%s" font-size="15">`, chartWidth, height, w.Dir())
	fmt.Fprintf(&b, "<title>%s</title>", html.EscapeString(s.Title))
	at := func(x, width int) int { // where something begins that is so wide
		if rtl {
			return chartWidth - x - width
		}
		return x
	}
	for i, l := range s.Lines {
		y := i * chartLine
		begin := at(0, 0)
		number := dash
		if l.N >= 0 {
			number = fmt.Sprint(l.N)
			width := (chartWidth - chartWords - chartNumber) * l.N / max(s.Most, 1)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="currentColor" fill-opacity="0.6"/>`, at(chartWords+chartNumber, width), y+5, width, chartLine-10)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="currentColor">%s</text>`, begin, y+18, html.EscapeString(short(l.Words)))
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="currentColor" text-anchor="end">%s</text>`, at(chartWords+chartNumber-10, 0), y+18, number)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // written here, words escaped
}

// short is what fits beside a bar; the table beside the chart has all of it.
func short(s string) string {
	const most = 38
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
