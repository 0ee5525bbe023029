package pages_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server/pages"
)

// previewers are programs that open links before people do, by the names they give themselves: mail scanners, previews of
// chats, crawlers, and browsers that load ahead.
var previewers = []string{
	"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
	"Slack-ImgProxy (+https://api.slack.com/robots)",
	"Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
	"Mozilla/5.0 (compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview)",
	"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
	"TelegramBot (like TwitterBot)",
	"WhatsApp/2.23.20.0",
	"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	"Twitterbot/1.0",
	"LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
	"Mattermost-Bot/1.1",
	"Synapse (bot; +https://github.com/matrix-org/synapse)",
	"Rocket.Chat/6.0 (oembed)",
	"Mozilla/5.0 (compatible; Google-Safety; +http://www.google.com/bot.html)",
	"GoogleImageProxy",
	"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"Mozilla/5.0 (compatible; Barracuda Sentinel (EE))",
	"Mozilla/5.0 (compatible; Mimecast URL Protect)",
	"Mozilla/5.0 (compatible; Proofpoint URL Defense)",
	"Mozilla/5.0 (compatible; Cisco-IronPort; +http://www.senderbase.org)",
	"BitlyBot/3.0 (+http://bit.ly/)",
	"curl/8.5.0",
	"",
}

// TestPreviewsConsumeNothing opens every address of the API and of the pages, by GET and HEAD, as all of these would.
func TestPreviewsConsumeNothing(t *testing.T) {
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "marked value"})
	before, err := s.api.Receipt(t.Context(), r.Key)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, key := range []string{r.SecretKey.Expose(), r.Key.Expose()} {
		for _, path := range pagePaths {
			paths = append(paths, strings.ReplaceAll(path, "{key}", key))
		}
		for _, op := range contract.V1().Operations() {
			path := strings.ReplaceAll(op.Path, "{key}", key)
			paths = append(paths, path, path+"?continue=true&passphrase=", path+"/")
		}
	}
	for _, agent := range previewers {
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				request, err := http.NewRequest(method, s.base+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("User-Agent", agent)
				request.Header.Set("Accept", "text/html,*/*")
				request.Header.Set("Sec-Purpose", "prefetch;prerender")
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if strings.Contains(string(body), "marked value") {
					t.Errorf("%s %s reveals it to %q", method, path, agent)
				}
			}
		}
	}
	after, err := s.api.Receipt(t.Context(), r.Key)
	if err != nil || after.State != onetime.StateNew || !after.Updated.Equal(before.Updated) {
		t.Errorf("the receipt is now %v, %v", after, err)
	}
	if got, err := s.api.Reveal(t.Context(), onetime.RevealRequest{Key: r.SecretKey}); err != nil || got.Value != "marked value" {
		t.Errorf("the secret is %v, %v", got, err)
	}
}

// pagePaths are the addresses of the pages.
var pagePaths = []string{
	"/", "/secret/{key}", "/receipt/{key}", "/private/{key}", "/metadata/{key}", "/docs", "/openapi.yaml", "/openapi.json",
	"/secret/{key}/", "/receipt/{key}/burn", "/secret", "/secrets/{key}",
}
