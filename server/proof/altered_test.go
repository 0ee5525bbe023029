package proof

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// alterations are what somebody may do to a database who can write to it and has no key. ?1 is the id of one secret, ?2
// that of another.
var alterations = []struct {
	name, sql string
	receipt   bool // it concerns the receipt, and so burns but not reveals
}{
	{name: "a byte of the value", sql: `UPDATE chunks SET data = CAST(substr(data, 1, 99) ||
		CASE substr(data, 100, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(data, 101) AS BLOB)
		WHERE number = (SELECT first_chunk FROM secrets WHERE id = ?1)`},
	{name: "the last byte of the value", sql: `UPDATE chunks SET data = CAST(substr(data, 1, 511) ||
		CASE substr(data, 512, 1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)
		WHERE number = (SELECT first_chunk + chunks - 1 FROM secrets WHERE id = ?1)`},
	{name: "a chunk is gone", sql: `DELETE FROM chunks WHERE number = (SELECT first_chunk FROM secrets WHERE id = ?1)`},
	{name: "fewer chunks", sql: `UPDATE secrets SET chunks = chunks - 1 WHERE id = ?1`},
	{name: "a chunk twice", sql: `UPDATE chunks SET data = (SELECT data FROM chunks AS next WHERE next.number = chunks.number + 1)
		WHERE number = (SELECT first_chunk FROM secrets WHERE id = ?1)`},
	{name: "the values are swapped", sql: `UPDATE secrets SET first_chunk = (SELECT sum(first_chunk) FROM secrets) - first_chunk
		WHERE id IN (?1, ?2)`},
	{name: "the row of another", sql: `DELETE FROM secrets WHERE id = ?1; UPDATE secrets SET id = ?1 WHERE id = ?2`},
	{name: "expires later", sql: `UPDATE secrets SET expires = expires + 1 WHERE id = ?1`},
	{name: "expires sooner", sql: `UPDATE secrets SET expires = expires - 1 WHERE id = ?1`},
	{name: "never expires", sql: `UPDATE secrets SET expires = 1 << 50 WHERE id = ?1`},
	{name: "created", sql: `UPDATE secrets SET created = created - 1 WHERE id = ?1`},
	{name: "passphrase needed or not", sql: `UPDATE secrets SET has_passphrase = 1 - has_passphrase WHERE id = ?1`},
	{name: "receipt of another", sql: `UPDATE secrets SET receipt_id = (SELECT receipt_id FROM secrets WHERE id = ?2) WHERE id = ?1`},
	{name: "account", sql: `UPDATE secrets SET account = x'01020304050607080910111213141516' WHERE id = ?1`},
	{name: "server key", sql: `UPDATE secrets SET key_id = x'0102030405060708' WHERE id = ?1`},
	{name: "server key's length", sql: `UPDATE secrets SET key_id = x'01' WHERE id = ?1`},
	{name: "receipt: secret of another", receipt: true, sql: `UPDATE receipts SET secret_id = ?2 WHERE secret_id = ?1`},
	{name: "receipt: secret expires", receipt: true, sql: `UPDATE receipts SET secret_expires = secret_expires + 1 WHERE secret_id = ?1`},
	{name: "receipt: server key", receipt: true, sql: `UPDATE receipts SET key_id = x'0102030405060708' WHERE secret_id = ?1`},
	{name: "receipt: sealed", receipt: true, sql: `UPDATE receipts SET sealed = zeroblob(length(sealed)) WHERE secret_id = ?1`},
}

// TestAlteredDatabase writes to the file of a server that runs. Every use of the secret is answered 500, as often as it is
// tried, so that no guess is spent; and when the alteration is undone, the secret is as it was.
func TestAlteredDatabase(t *testing.T) {
	const tries = 6 // one more than there are guesses
	value, other := strings.Repeat("the value ", 60), strings.Repeat("the other ", 60)
	for _, passphrase := range []string{"", "open sesame"} {
		f := serve(t, layers{})
		for _, alteration := range alterations {
			t.Run(alteration.name, func(t *testing.T) {
				db := openBeside(t, f.database()+"?_pragma=busy_timeout(10000)")
				execute(t, db, `DELETE FROM secrets; DELETE FROM receipts; DELETE FROM chunks`)
				shared := must(t, 200)(f.share(value, passphrase))
				must(t, 200)(f.share(other, passphrase))
				ids := secretIDs(t, db)
				undo := keep(t, db)
				execute(t, db, alteration.sql, ids...)

				refuse := func(r reply, err error) {
					t.Helper()
					must(t, 500)(r, err)
					if strings.Contains(r.body, "the value") || strings.Contains(r.body, "the other") {
						t.Error("the answer holds a value")
					}
				}
				for range tries {
					if !alteration.receipt {
						refuse(f.reveal(shared.SecretKey, passphrase))
						refuse(f.reveal(shared.SecretKey, "wrong"))
					}
					refuse(f.burn(shared.Key))
				}
				undo()
				if r := must(t, 200)(f.receipt(shared.Key)); r.state() != "new" {
					t.Errorf("the receipt says %s", r.state())
				}
				if r := must(t, 200)(f.reveal(shared.SecretKey, passphrase)); r.Value != value {
					t.Error("another value came")
				}
			})
		}
	}
}

func execute(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	for _, one := range strings.Split(query, ";") {
		parameters := 0 // the highest that it has
		for n := range args {
			if strings.Contains(one, fmt.Sprint("?", n+1)) {
				parameters = n + 1
			}
		}
		if _, err := db.Exec(one, args[:parameters]...); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
}

// secretIDs returns those of all secrets, in the order in which they were shared.
func secretIDs(t testing.TB, db *sql.DB) (ids []any) {
	t.Helper()
	rows, err := db.Query(`SELECT id FROM secrets ORDER BY first_chunk`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// keep copies what is to be altered, and returns what puts it back.
func keep(t testing.TB, db *sql.DB) (undo func()) {
	t.Helper()
	for _, table := range []string{"secrets", "chunks", "receipts"} {
		execute(t, db, `CREATE TEMP TABLE kept_`+table+` AS SELECT * FROM main.`+table)
	}
	return func() {
		t.Helper()
		for _, table := range []string{"secrets", "chunks", "receipts"} {
			execute(t, db, `DELETE FROM main.`+table+`; INSERT INTO main.`+table+` SELECT * FROM kept_`+table)
		}
	}
}
