package pages

import (
	"net/http"
	"net/url"
	"strings"
)

// A site is the pages in front of an API. All that it serves is made when it is made.
type site struct {
	api      http.Handler
	apiPath  string
	routes   map[string]*resource // by path
	keyed    map[string]*resource // by the path before a key
	notFound *resource
}

func newSite(api http.Handler, base *url.URL, config Config) (*site, error) {
	s := &site{
		api:     api,
		apiPath: base.Path + "/api/",
		routes:  map[string]*resource{},
		keyed:   map[string]*resource{},
	}
	r, err := newRenderer(base, config)
	if err != nil {
		return nil, err
	}
	for name, asset := range r.assets {
		s.add(r.assetPath+name, asset)
	}
	for _, page := range []struct {
		name  string
		paths []string
	}{
		{"create", []string{"/"}},
		{"reveal", []string{"/secret/{key}"}},
		{"receipt", []string{"/receipt/{key}", "/private/{key}", "/metadata/{key}"}}, // one thing under three names, as in the API
		{"docs", []string{"/docs"}},
	} {
		made, err := r.page(page.name)
		if err != nil {
			return nil, err
		}
		for _, path := range page.paths {
			s.add(base.Path+path, made)
		}
	}
	if s.notFound, err = r.page("notfound"); err != nil {
		return nil, err
	}
	return s, s.addDocument(base)
}

// add serves a resource at a path, which may end with "{key}".
func (s *site) add(route string, r *resource) {
	served := *r
	served.route = route
	if before, ok := strings.CutSuffix(route, "{key}"); ok {
		s.keyed[before] = &served
		return
	}
	s.routes[route] = &served
	if bare := strings.TrimSuffix(route, "/"); bare != "" && bare != route {
		s.routes[bare] = &served // the base URL is written without a slash, too
	}
}

// find returns what is served at a path, or nil. That there is a key is all that counts: whether it is one, and of what, is
// for the API to say when it is asked to.
func (s *site) find(path string) *resource {
	if r := s.routes[path]; r != nil {
		return r
	}
	last := strings.LastIndexByte(path, '/') + 1
	if path[last:] == "" {
		return nil
	}
	return s.keyed[path[:last]]
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.api.ServeHTTP(w, r)
		return
	}
	if found := s.find(r.URL.Path); found != nil {
		r.Pattern = found.route
		found.serve(w, r, http.StatusOK)
		return
	}
	if strings.HasPrefix(r.URL.Path, s.apiPath) || !wantsPage(r) {
		s.api.ServeHTTP(w, r)
		return
	}
	s.api.ServeHTTP(&readable{ResponseWriter: w, request: r, notFound: s.notFound}, r)
}

// wantsPage tells whether a person will look at the answer. Browsers name HTML; clients of the API name JSON, or nothing.
func wantsPage(r *http.Request) bool {
	for _, accepted := range r.Header.Values("Accept") {
		if strings.Contains(accepted, "text/html") {
			return true
		}
	}
	return false
}

// readable puts a page in the place of a 404.
type readable struct {
	http.ResponseWriter
	request  *http.Request
	notFound *resource
	replaced bool
}

func (w *readable) WriteHeader(status int) {
	if status != http.StatusNotFound {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.replaced = true
	w.notFound.serve(w.ResponseWriter, w.request, status)
}

func (w *readable) Write(p []byte) (int, error) {
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *readable) Unwrap() http.ResponseWriter { return w.ResponseWriter }
