package server

import (
	"bytes"
	"maps"
	"net/http"

	"github.com/labstack/echo/v4"
)

// An answer holds what a handler writes until it is known to be good.
type answer struct {
	client http.ResponseWriter
	header http.Header
	status int
	body   bytes.Buffer
}

// holdAnswer puts an answer between an Echo context and its client.
func holdAnswer(c echo.Context) *answer {
	a := &answer{client: c.Response().Writer}
	a.reset(c)
	return a
}

// reset forgets all that was written.
func (a *answer) reset(c echo.Context) {
	a.header = http.Header{}
	a.status = http.StatusOK
	a.body.Reset()
	c.SetResponse(echo.NewResponse(a, c.Echo()))
}

// Header, WriteHeader and Write are those of http.ResponseWriter. Echo's Response calls WriteHeader once.

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// send gives the client what was written.
func (a *answer) send(c echo.Context) error {
	response := echo.NewResponse(a.client, c.Echo())
	c.SetResponse(response)
	a.header.Del(echo.HeaderContentLength) // it is what was written, whatever the handler thought
	maps.Copy(response.Header(), a.header)
	response.WriteHeader(a.status)
	if a.body.Len() == 0 {
		return nil
	}
	_, err := response.Write(a.body.Bytes())
	return err
}
