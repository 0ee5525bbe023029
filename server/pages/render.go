package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed html
var htmlFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// A renderer makes pages and assets.
type renderer struct {
	view      view
	assetPath string
	assets    map[string]*resource // by name
}

// A view is what the templates know. None of it comes from a request.
type view struct {
	Page         string // the name of the page, of its script and of its template
	Base         string // the path of the base URL, escaped
	BaseURL      string
	Assets       string // the path of the assets, escaped, without a slash at its end
	MaxSecret    int
	MostWords    string // MaxSecret for people
	TTLs         []choice
	Accounts     bool
	AccountsOnly bool
}

// A choice is a lifetime on offer.
type choice struct {
	Seconds  int64
	Words    string
	Preset   bool
	Accounts bool // for accounts only
}

func newRenderer(base *url.URL, config Config) (*renderer, error) {
	names, bodies, err := readAssets()
	if err != nil {
		return nil, err
	}
	// The folder is named after all that is in it, so that what was cached of another version is never used, and the
	// modules in it can name each other.
	sum := sha256.New()
	for i, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(bodies[i]))
		sum.Write(bodies[i])
	}
	folder := hex.EncodeToString(sum.Sum(nil)[:8])
	r := &renderer{assetPath: base.Path + "/assets/" + folder + "/", assets: map[string]*resource{}}
	for i, name := range names {
		r.assets[name] = newResource(contentTypes[path.Ext(name)], assetHeader, bodies[i])
	}
	r.view = view{
		Base:         base.EscapedPath(),
		BaseURL:      base.String(),
		Assets:       base.EscapedPath() + "/assets/" + folder,
		MaxSecret:    config.MaxSecret,
		MostWords:    grouped(config.MaxSecret),
		TTLs:         choices(config),
		Accounts:     config.Accounts,
		AccountsOnly: config.AccountsOnly,
	}
	return r, nil
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// readAssets returns what is served as it is. What has no Content-Type, such as a licence, is there for those who read the
// source.
func readAssets() (names []string, bodies [][]byte, err error) {
	err = fs.WalkDir(assetFiles, "assets", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || contentTypes[path.Ext(file)] == "" {
			return err
		}
		body, err := assetFiles.ReadFile(file)
		names, bodies = append(names, strings.TrimPrefix(file, "assets/")), append(bodies, body)
		return err
	})
	return names, bodies, err
}

// page makes a page.
func (r *renderer) page(name string) (*resource, error) {
	t, err := template.ParseFS(htmlFiles, "html/layout.html", "html/"+name+".html")
	if err != nil {
		return nil, err
	}
	v := r.view
	v.Page = name
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout.html", v); err != nil {
		return nil, err
	}
	return newResource("text/html; charset=utf-8", headerOf(name), body.Bytes()), nil
}

func choices(config Config) []choice {
	var all []choice
	for i, ttl := range config.TTLs {
		all = append(all, choice{Seconds: int64(ttl / time.Second), Words: words(ttl), Preset: i == len(config.TTLs)-1})
	}
	if config.Accounts {
		for _, ttl := range config.AccountTTLs {
			all = append(all, choice{Seconds: int64(ttl / time.Second), Words: words(ttl), Accounts: !config.AccountsOnly})
		}
	}
	return all
}

// grouped writes a number with a comma before each three digits.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// words says a lifetime in the largest unit that it is a multiple of.
func words(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if d%unit.of == 0 {
			n := int64(d / unit.of)
			if n == 1 {
				return "1 " + unit.name
			}
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}

// The headers of what is served.

// assetHeader is that of files whose address changes when they do.
var assetHeader = http.Header{
	"Cache-Control":                {"public, max-age=31536000, immutable"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// headerOf is that of a page. It may load what stands beside it, talk to its own origin, and do nothing else.
func headerOf(page string) http.Header {
	policy := []string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"connect-src 'self'",
		"form-action 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}
	if page == "docs" { // the viewer brings its icons along, and writes HTML
		policy = append(policy, "img-src 'self' data:")
	} else {
		policy = append(policy, "img-src 'self'", "require-trusted-types-for 'script'", "trusted-types 'none'")
	}
	return http.Header{
		"Cache-Control":                {"no-store"},
		"Content-Security-Policy":      {strings.Join(policy, "; ")},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Permissions-Policy":           {permissions},
		"Referrer-Policy":              {"no-referrer"},
		"X-Frame-Options":              {"DENY"}, // for what does not know frame-ancestors
		"X-Robots-Tag":                 {"noindex, nofollow"},
	}
}

// permissions is what a page may do with the machine: write to the clipboard.
const permissions = "clipboard-write=(self), clipboard-read=(), camera=(), display-capture=(), geolocation=(), microphone=(), " +
	"payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=()"
