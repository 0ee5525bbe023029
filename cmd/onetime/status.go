package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
)

func newStatus(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell whether the server is up, and takes your credentials",
		Long: `Tell whether the server is up and, if you have an account, whether it takes your credentials.
Each line is a name, a tab and a value. The exit code is 0 if all is well.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.status(cmd) },
	}
	r.addFlags(cmd.Flags())
	return cmd
}

// statusFields is a status for programs. Status and locale have the names of the API.
type statusFields struct {
	Host      string `json:"host"`
	Status    string `json:"status"`
	Locale    string `json:"locale"`
	Custid    string `json:"custid"`
	AuthCheck string `json:"authcheck,omitempty"` // absent for an anonymous caller
}

func (r *remote) status(cmd *cobra.Command) error {
	s, err := r.session(cmd, "", client.WithRetries(0)) // who asks whether it is up wants to hear it now
	if err != nil {
		return err
	}
	status, err := s.anonymousStatus()
	if err != nil {
		return s.verdict(err)
	}
	fields := statusFields{s.host, status.Status, status.Locale, onetime.Anonymous, ""}
	var refused error
	if s.account != "" {
		fields.Custid = s.account
		fields.AuthCheck, refused = authCheck(s)
	}
	rows := [][]string{{"host", fields.Host}, {"status", fields.Status}, {"locale", fields.Locale}, {"custid", fields.Custid}}
	if fields.AuthCheck != "" {
		rows = append(rows, []string{"authcheck", fields.AuthCheck})
	}
	err = errors.Join(refused, r.print(cmd, fields, columns(cmd.OutOrStdout(), nil, rows)))
	if err == nil && status.Status != onetime.StatusNominal {
		err = fmt.Errorf("the server says of itself that it is %s", withoutControl(status.Status))
	}
	return s.verdict(err)
}

// anonymousStatus asks without credentials: with wrong ones, a server answers nothing else.
func (s *session) anonymousStatus() (onetime.Status, error) {
	c, err := client.New(s.host, s.options...)
	if err != nil {
		return onetime.Status{}, usageError{inOurWords(err)}
	}
	return c.Status(s.ctx)
}

// authCheck says what the server answers to the credentials.
func authCheck(s *session) (string, error) {
	status, err := s.AuthCheck(s.ctx)
	if errors.Is(err, onetime.ErrUnauthorized) {
		return "refused", err
	}
	return status.Status, err
}
