package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onetime-go/onetime"
)

// A publicService is a stand-in for the public service, which answers almost every error with 404 and says in a header what
// it meant. It keeps its secrets in memory, for one account.
type publicService struct {
	http.Handler
	// older answers as v0.23 does: no names of v0.24, in answers or in paths, no share_domain in a reveal, a token for forms
	// in every error, and shorter keys.
	older bool

	mu      sync.Mutex
	records []*publicRecord // oldest first
}

const publicToken = "public-token"

type publicRecord struct {
	custid, receiptKey, secretKey, value, passphrase, state string
	generated                                               bool
	recipients                                              []string
	created, received, ttl                                  int64
}

// A publicError is what is meant, and how it is said.
type publicError struct {
	status        int
	kind, message string
}

var (
	publicUnknown      = &publicError{404, "", "Unknown secret"}
	publicUnauthorized = &publicError{401, "", "Not authorized"}
)

func newPublicService(older bool) *publicService {
	mux := http.NewServeMux()
	p := &publicService{Handler: mux, older: older}
	route := func(pattern string, account bool, answer func(custid string, r *http.Request) (any, *publicError)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			custid, err := publicCaller(r, account)
			var body any
			if err == nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				body, err = answer(custid, r)
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			if err != nil {
				w.Header().Set("X-OTS-Intended-Status", strconv.Itoa(err.status))
				w.WriteHeader(http.StatusNotFound)
				if older {
					body = map[string]string{"message": err.message, "shrimp": "token"}
				} else {
					body = map[string]string{"error": err.kind, "message": err.message}
				}
			}
			_ = json.NewEncoder(w).Encode(body)
		})
	}
	nominal := func(string, *http.Request) (any, *publicError) {
		return map[string]string{"status": "nominal", "locale": "en"}, nil
	}
	route("GET /api/v1/status", false, nominal)
	route("GET /api/v1/authcheck", true, nominal)
	route("POST /api/v1/share", false, p.share)
	route("POST /api/v1/generate", false, p.generate)
	route("POST /api/v1/secret/{key}", false, p.reveal)
	names := []string{"private", "metadata"}
	if !older {
		route("POST /api/v1/create", false, p.share)
		route("POST /api/v1/metadata/{key}/burn", false, p.burn)
		route("POST /api/v1/receipt/{key}/burn", false, p.burn)
		names = append(names, "receipt")
	}
	route("POST /api/v1/private/{key}/burn", false, p.burn)
	for _, name := range names {
		route("GET /api/v1/"+name+"/recent", true, p.recent)
		route("GET /api/v1/"+name+"/{key}", false, p.receipt)
		route("POST /api/v1/"+name+"/{key}", false, p.receipt)
	}
	route("/", false, func(string, *http.Request) (any, *publicError) { return nil, &publicError{404, "", "Not Found"} })
	return p
}

func publicCaller(r *http.Request, account bool) (string, *publicError) {
	username, password, given := r.BasicAuth()
	switch {
	case given && (username != email || password != publicToken), account && !given:
		return "", publicUnauthorized
	case given:
		return email, nil
	}
	return onetime.Anonymous, nil
}

func (p *publicService) share(custid string, r *http.Request) (any, *publicError) {
	if r.FormValue("secret") == "" {
		return nil, &publicError{400, "FormError", "You did not provide anything to share"}
	}
	return p.store(custid, r, &publicRecord{value: r.FormValue("secret")})
}

func (p *publicService) generate(custid string, r *http.Request) (any, *publicError) {
	return p.store(custid, r, &publicRecord{value: fmt.Sprintf("generated%03d", len(p.records)), generated: true})
}

func (p *publicService) store(custid string, r *http.Request, new *publicRecord) (any, *publicError) {
	longest := int64(7 * 24 * 3600)
	if custid != onetime.Anonymous {
		longest = 30 * 24 * 3600
	}
	new.ttl = 7 * 24 * 3600
	if text := r.FormValue("ttl"); text != "" && text != "0" {
		ttl, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, &publicError{400, "FormError", "That is not a number of seconds"}
		}
		new.ttl = min(max(ttl, 60), longest)
	}
	if r.FormValue("recipient") != "" && custid != onetime.Anonymous {
		for _, address := range strings.Split(r.FormValue("recipient"), ",") {
			new.recipients = append(new.recipients, obscured(address))
		}
	}
	new.custid, new.state, new.created, new.passphrase = custid, "new", time.Now().Unix(), r.FormValue("passphrase")
	new.receiptKey, new.secretKey = p.newKey("r"), p.newKey("s")
	p.records = append(p.records, new)
	answer := p.answer(new)
	if new.generated {
		answer["value"], answer["secret_value"] = new.value, new.value
	}
	return p.dialect(answer), nil
}

func (p *publicService) newKey(kind string) string {
	length := 62
	if p.older {
		length = 30
	}
	return kind + fmt.Sprintf("%0*d", length, len(p.records))
}

func obscured(address string) string {
	name, domain, _ := strings.Cut(address, "@")
	return name[:2] + "*****@" + domain[:1] + "*****" + domain[strings.LastIndex(domain, "."):]
}

func (p *publicService) reveal(_ string, r *http.Request) (any, *publicError) {
	for _, record := range p.records {
		if record.secretKey == r.PathValue("key") && record.state == "new" && record.passphrase == r.FormValue("passphrase") {
			record.state, record.received = "received", time.Now().Unix()
			return p.dialect(map[string]any{"value": record.value, "secret_key": record.secretKey, "share_domain": ""}), nil
		}
	}
	return nil, publicUnknown
}

func (p *publicService) find(r *http.Request) *publicRecord {
	for _, record := range p.records {
		if record.receiptKey == r.PathValue("key") {
			return record
		}
	}
	return nil
}

func (p *publicService) receipt(_ string, r *http.Request) (any, *publicError) {
	record := p.find(r)
	if record == nil {
		return nil, publicUnknown
	}
	return p.dialect(p.answer(record)), nil
}

func (p *publicService) burn(_ string, r *http.Request) (any, *publicError) {
	record := p.find(r)
	switch {
	case record == nil || record.state != "new":
		return nil, publicUnknown
	case record.passphrase != r.FormValue("passphrase"):
		return nil, &publicError{400, "FormError", "Incorrect passphrase"}
	}
	record.state = "burned"
	short := record.secretKey[:8]
	if p.older {
		short = short[:6]
	}
	return map[string]any{"state": p.dialect(p.answer(record)), "secret_shortkey": short}, nil
}

func (p *publicService) recent(custid string, _ *http.Request) (any, *publicError) {
	all := []any{}
	for _, record := range p.records {
		if record.custid == custid {
			answer := p.answer(record)
			delete(answer, "secret_key")
			all = append(all, p.dialect(answer))
		}
	}
	return all, nil
}

// answer returns a receipt under its older names.
func (p *publicService) answer(r *publicRecord) map[string]any {
	answer := map[string]any{
		"custid": r.custid, "metadata_key": r.receiptKey, "secret_key": r.secretKey, "state": r.state, "created": r.created,
		"updated": r.created, "ttl": r.ttl, "metadata_ttl": 2 * r.ttl, "secret_ttl": r.ttl, "share_domain": "",
		"metadata_url": "https://public.example/receipt/" + r.receiptKey, "recipient": append([]string{}, r.recipients...),
		"passphrase_required": r.passphrase != "",
	}
	if r.state == "received" {
		answer["received"] = r.received
		delete(answer, "secret_key")
		delete(answer, "secret_ttl")
	}
	return answer
}

// dialect adds the names of v0.24, or leaves out what v0.23 does not send.
func (p *publicService) dialect(answer map[string]any) map[string]any {
	for younger, older := range map[string]string{
		"identifier": "metadata_key", "secret_identifier": "secret_key", "has_passphrase": "passphrase_required",
		"recipients": "recipient", "receipt_ttl": "metadata_ttl", "receipt_url": "metadata_url", "secret_value": "value",
	} {
		delete(answer, younger)
		_, isReceipt := answer["custid"]
		if value, found := answer[older]; found && isReceipt && !p.older {
			answer[younger] = value
		}
	}
	if _, isReveal := answer["value"]; isReveal && answer["custid"] == nil && p.older {
		delete(answer, "share_domain")
	}
	return answer
}
