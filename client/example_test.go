package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/client/clienttest"
	"github.com/onetime-go/onetime/contract"
)

func Example() {
	c, err := client.New(baseURL()) // such as client.EU
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := c.Share(context.Background(), onetime.ShareRequest{Secret: "the cake is a lie", TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	secret, err := c.Reveal(context.Background(), onetime.RevealRequest{Key: receipt.SecretKey})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret.Value, "is", secret.Value.Expose())
	// Output: [redacted] is the cake is a lie
}

// baseURL starts a server in this process, which lasts as long as the process.
func baseURL() string { return clienttest.NewServer().URL }

func Example_errors() {
	s := clienttest.NewServer()
	defer s.Close()
	_, err := s.Client.Reveal(context.Background(), onetime.RevealRequest{Key: "0123456789abcdefghijklmnopqrstu"})

	var refused *client.Error
	var broken *contract.Violation
	var network *client.NetworkError
	switch {
	case errors.Is(err, onetime.ErrNotFound):
		fmt.Println("unknown key, secret gone, or wrong passphrase")
	case errors.Is(err, onetime.ErrRateLimited) && errors.As(err, &refused):
		fmt.Println("try again in", refused.RetryAfter)
	case errors.As(err, &refused):
		fmt.Println("refused:", refused.Message)
	case errors.As(err, &broken):
		fmt.Println("the", broken.Direction, "is not what the contract says; it was", len(broken.Body()), "bytes")
	case errors.As(err, &network):
		fmt.Println("no answer; processed nevertheless:", network.Sent)
	}
	// Output: unknown key, secret gone, or wrong passphrase
}

func ExampleClient_Share() {
	s := clienttest.NewServer()
	defer s.Close()
	c, _ := s.NewAccount("ada@example.com") // client.New(client.EU, client.WithAccount(email, token))
	receipt, err := c.Share(context.Background(), onetime.ShareRequest{
		Secret:     "the cake is a lie",
		TTL:        14 * 24 * time.Hour,
		Passphrase: "GLaDOS",
		Recipients: []string{"chell@example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.State, receipt.TTL, receipt.HasPassphrase, receipt.Recipients)
	fmt.Println("pass on:", c.SecretURL(receipt.SecretKey)) // its Expose is the link
	// Output:
	// new 336h0m0s true [ch*****@e*****.com]
	// pass on: [redacted]
}

func ExampleClient_Generate() {
	s := clienttest.NewServer()
	defer s.Close()
	receipt, err := s.Client.Generate(context.Background(), onetime.GenerateRequest{TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("for us:", receipt.Value, "and for another, once:", receipt.SecretKey)
	// Output: for us: [redacted] and for another, once: [redacted]
}

func ExampleClient_Reveal() {
	s := clienttest.NewServer()
	defer s.Close()
	ctx := context.Background()
	receipt, err := s.Client.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie", Passphrase: "GLaDOS"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Client.Reveal(ctx, onetime.RevealRequest{Key: receipt.SecretKey, Passphrase: "a guess"})
	fmt.Println("a wrong passphrase is like an unknown key:", errors.Is(err, onetime.ErrNotFound))
	secret, err := s.Client.Reveal(ctx, onetime.RevealRequest{Key: receipt.SecretKey, Passphrase: "GLaDOS"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret.Value.Expose())
	_, err = s.Client.Reveal(ctx, onetime.RevealRequest{Key: receipt.SecretKey, Passphrase: "GLaDOS"})
	fmt.Println("and so is a second time:", errors.Is(err, onetime.ErrNotFound))
	// Output:
	// a wrong passphrase is like an unknown key: true
	// the cake is a lie
	// and so is a second time: true
}

// When the answer to a reveal is not what the contract says, the server has forgotten the secret all the same. What came is
// in the error, and never in its text.
func ExampleClient_Reveal_brokenAnswer() {
	older := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value": "the cake is a lie", "secret_key": "k"}`) // without a share_domain
	}))
	defer older.Close()
	c, err := client.New(older.URL)
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Reveal(context.Background(), onetime.RevealRequest{Key: "k"})
	var broken *contract.Violation
	if errors.As(err, &broken) {
		fmt.Println(err)
		fmt.Printf("%s\n", broken.Body())
	}
	// Output:
	// reveal: contract: v1_showSecret response 200: share_domain is required (required)
	// {"value": "the cake is a lie", "secret_key": "k"}
}

func ExampleClient_Receipt() {
	s := clienttest.NewServer()
	defer s.Close()
	ctx := context.Background()
	shared, err := s.Client.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Client.Reveal(ctx, onetime.RevealRequest{Key: shared.SecretKey}); err != nil {
		log.Fatal(err)
	}
	receipt, err := s.Client.Receipt(ctx, shared.Key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.State, !receipt.Received.IsZero())
	// Output: received true
}

func ExampleClient_Burn() {
	s := clienttest.NewServer()
	defer s.Close()
	ctx := context.Background()
	receipt, err := s.Client.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie"})
	if err != nil {
		log.Fatal(err)
	}
	burned, err := s.Client.Burn(ctx, onetime.BurnRequest{Key: receipt.Key})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(burned.Receipt.State)
	// Output: burned
}

func ExampleClient_Recent() {
	s := clienttest.NewServer()
	defer s.Close()
	c, _ := s.NewAccount("ada@example.com")
	ctx := context.Background()
	for _, secret := range []onetime.Sensitive{"the cake", "is a lie"} {
		if _, err := c.Share(ctx, onetime.ShareRequest{Secret: secret}); err != nil {
			log.Fatal(err)
		}
	}
	recent, err := c.Recent(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, receipt := range recent {
		fmt.Println(receipt.State, "by", receipt.Custid)
	}
	// Output:
	// new by ada@example.com
	// new by ada@example.com
}

func ExampleClient_Status() {
	s := clienttest.NewServer()
	defer s.Close()
	status, err := s.Client.Status(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Status == onetime.StatusNominal)
	// Output: true
}

func ExampleClient_AuthCheck() {
	s := clienttest.NewServer()
	defer s.Close()
	_, err := s.Client.AuthCheck(context.Background())
	fmt.Println("without credentials:", errors.Is(err, onetime.ErrUnauthorized))
	c, _ := s.NewAccount("ada@example.com")
	status, err := c.AuthCheck(context.Background())
	fmt.Println("with them:", status.Status, err)
	// Output:
	// without credentials: true
	// with them: nominal <nil>
}

func ExampleClient_SecretURL() {
	c, err := client.New(client.EU)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.SecretURL("242kmj9m16kqb97dyzwotoqwupnbaya").Expose())
	// Output: https://eu.onetimesecret.com/secret/242kmj9m16kqb97dyzwotoqwupnbaya
}

// The generated client has all eighteen operations, and sends through the same checks.
func ExampleClient_Raw() {
	s := clienttest.NewServer()
	defer s.Close()
	response, err := s.Client.Raw().V1Status(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(body))
	// Output: {"locale":"en","status":"nominal"}
}

func ExampleParseLink() {
	for _, text := range []string{
		"https://eu.onetimesecret.com/secret/242kmj9m16kqb97dyzwotoqwupnbaya",
		"https://secrets.example.com/tools/private/um75bpiym02o75ow18rzfh058vt3t1k",
		"242kmj9m16kqb97dyzwotoqwupnbaya",
	} {
		link, err := client.ParseLink(text)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q %q %s\n", link.BaseURL, link.Page, link.Key.Expose())
	}
	// Output:
	// "https://eu.onetimesecret.com" "secret" 242kmj9m16kqb97dyzwotoqwupnbaya
	// "https://secrets.example.com/tools" "receipt" um75bpiym02o75ow18rzfh058vt3t1k
	// "" "" 242kmj9m16kqb97dyzwotoqwupnbaya
}

// A client that reports works with servers of other versions, and its program hears of what they do differently.
func ExampleWithReport() {
	older := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value": "the cake is a lie", "secret_key": "k"}`) // without a share_domain
	}))
	defer older.Close()
	c, err := client.New(older.URL, client.WithReport(func(v *contract.Violation) { fmt.Println("note:", v) }))
	if err != nil {
		log.Fatal(err)
	}
	secret, err := c.Reveal(context.Background(), onetime.RevealRequest{Key: "k"})
	fmt.Println(secret.Value.Expose(), err)
	// Output:
	// note: contract: v1_showSecret response 200: share_domain is required (required)
	// the cake is a lie <nil>
}
