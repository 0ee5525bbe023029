package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/onetime-go/onetime/contract"
)

func ExampleOperation_CheckRequest() {
	op := contract.V1().Operation("POST", "/api/v1/share")
	body := []byte("secret=hunter2&ttl=soon")
	r := httptest.NewRequest("POST", "/api/v1/share", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	_, err := op.CheckRequest(r, nil, body)
	var v *contract.Violation
	if errors.As(err, &v) {
		fmt.Println(v.Message())
		fmt.Println(v.Pointer, v.Rule)
	}
	// Output:
	// ttl must be an integer
	// /ttl type
}

func ExampleTransport() {
	// A server that has forgotten a field of the contract.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value":"hunter2","share_domain":""}`)
	}))
	defer server.Close()

	client := &http.Client{Transport: &contract.Transport{}}
	_, err := client.Post(server.URL+"/api/v1/secret/k", "application/x-www-form-urlencoded", strings.NewReader(""))
	var v *contract.Violation
	if errors.As(err, &v) {
		fmt.Println(v)
		fmt.Printf("what came: %s\n", v.Body())
	}
	// Output:
	// contract: v1_showSecret response 200: secret_key is required (required)
	// what came: {"value":"hunter2","share_domain":""}
}

func ExampleLoad() {
	c, err := contract.Load([]byte(`
openapi: 3.0.3
info: {title: Coins, version: '1'}
paths:
  /coins/{id}:
    get:
      operationId: showCoin
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses:
        '200': {description: The coin., content: {application/json: {schema: {type: object}}}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	op, params := c.Match("GET", "/coins/12")
	fmt.Println(op.ID, params["id"])

	header := http.Header{"Content-Type": {"application/json"}}
	fmt.Println(op.CheckResponse(200, header, []byte(`[]`)))
	// Output:
	// showCoin 12
	// contract: showCoin response 200: the body must be an object (type)
}
