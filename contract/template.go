package contract

import (
	"cmp"
	"net/url"
	"strings"
)

// A segment is one part of a path template between slashes: literals and parameter names in turn, beginning and
// ending with a literal, which may be empty. "{name}.json" is the literals "" and ".json" around the name "name".
type segment struct {
	literals []string
	names    []string
}

func parseTemplate(template string) []segment {
	var segments []segment
	for part := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		segments = append(segments, parseSegment(part))
	}
	return segments
}

func parseSegment(part string) segment {
	var s segment
	for {
		literal, rest, found := strings.Cut(part, "{")
		s.literals = append(s.literals, literal)
		if !found {
			return s
		}
		name, after, _ := strings.Cut(rest, "}")
		s.names = append(s.names, name)
		part = after
	}
}

// splitPath splits an escaped path at its slashes and unescapes the segments, so that an escaped slash is part of one.
func splitPath(escaped string) ([]string, bool) {
	if escaped != "" && escaped[0] != '/' {
		return nil, false
	}
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, s := range segments {
		text, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = text
	}
	return segments, true
}

// matchTemplate returns the parameters of a path that is split into its segments. Each segment of the template must
// match the one in its place.
func matchTemplate(template []segment, given []string) (map[string]string, bool) {
	var params map[string]string
	for i, s := range template {
		if len(s.names) == 0 {
			if s.literals[0] != given[i] {
				return nil, false
			}
			continue
		}
		if params == nil {
			params = map[string]string{}
		}
		if !s.match(given[i], params) {
			return nil, false
		}
	}
	return params, true
}

// match sets the parameters of one segment. A parameter ends where the literal after it first occurs, the last one
// where the literal ends the segment.
func (s segment) match(given string, params map[string]string) bool {
	rest, ok := strings.CutPrefix(given, s.literals[0])
	if !ok {
		return false
	}
	last := len(s.names) - 1
	for i, name := range s.names[:last] {
		literal := s.literals[i+1]
		if literal == "" { // nothing stands between two parameters: the first has it all
			params[name], rest = rest, ""
			continue
		}
		if params[name], rest, ok = strings.Cut(rest, literal); !ok {
			return false
		}
	}
	params[s.names[last]], ok = strings.CutSuffix(rest, s.literals[last+1])
	return ok
}

// compareTemplates puts templates that say more before those that say less, so that /receipt/recent is found before
// /receipt/{key}.
func compareTemplates(a, b []segment) int {
	for i := range min(len(a), len(b)) {
		if d := compareSegments(a[i], b[i]); d != 0 {
			return d
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareSegments puts more literal text first, then fewer parameters. A literal that a template with parameters also
// matches is no shorter than the template's own text.
func compareSegments(a, b segment) int {
	textA, textB := strings.Join(a.literals, "{"), strings.Join(b.literals, "{")
	return cmp.Or(
		cmp.Compare(len(textB)-len(b.names), len(textA)-len(a.names)), // without the braces of the join
		cmp.Compare(len(a.names), len(b.names)),
		strings.Compare(textA, textB),
	)
}
