package vault

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/onetime-go/onetime"
)

// terms say how a secret is to be kept.
type terms struct {
	account     *Account // nil for an anonymous caller
	network     netip.Prefix
	ttl         time.Duration
	Passphrase  onetime.Sensitive // exported, as are others of this type, for what fmt would show of it
	recipients  []string
	shareDomain string
}

// Share seals a secret. Commit stores it.
func (v *Vault) Share(ctx context.Context, caller onetime.Caller, r onetime.ShareRequest) (onetime.Pending[onetime.Receipt], error) {
	if err := v.rules.checkSecret(r.Secret); err != nil {
		return onetime.Pending[onetime.Receipt]{}, err
	}
	account, err := v.creatorOf(caller)
	if err != nil {
		return onetime.Pending[onetime.Receipt]{}, err
	}
	return v.share(ctx, r.Secret, terms{account, caller.Network, r.TTL, r.Passphrase, r.Recipients, r.ShareDomain})
}

// Generate seals a random value: 24 letters and digits, none of which is mistaken for another, 139 bits.
func (v *Vault) Generate(ctx context.Context, caller onetime.Caller, r onetime.GenerateRequest) (onetime.Pending[onetime.Receipt], error) {
	account, err := v.creatorOf(caller)
	if err != nil {
		return onetime.Pending[onetime.Receipt]{}, err
	}
	value, err := randomText(v.random, legible, generatedLength)
	if err != nil {
		return onetime.Pending[onetime.Receipt]{}, err
	}
	pending, err := v.share(ctx, value, terms{account, caller.Network, r.TTL, r.Passphrase, r.Recipients, r.ShareDomain})
	pending.Answer.Value = value
	return pending, err
}

func (v *Vault) share(ctx context.Context, value onetime.Sensitive, t terms) (onetime.Pending[onetime.Receipt], error) {
	var none onetime.Pending[onetime.Receipt]
	if err := v.rules.checkTerms(t); err != nil {
		return none, err
	}
	secretKey, receiptKey, err := newKeys(v.random)
	if err != nil {
		return none, err
	}
	secret, receipt := v.newRecords(secretKey, receiptKey, t)
	if secret.Sealed, err = v.sealSecret(ctx, secretKey, secret, value, t); err != nil {
		return none, err
	}
	content := receiptContent{SecretKey: secretKey, custid: onetime.Anonymous, shareDomain: t.shareDomain}
	if t.account != nil {
		content.custid = t.account.email
	}
	for _, address := range t.recipients {
		content.recipients = append(content.recipients, obscure(address))
	}
	if receipt.Sealed, err = v.sealReceipt(receiptKey, receipt, content); err != nil {
		return none, err
	}
	recent, err := v.recentEntry(t.account, receiptKey, receipt)
	if err != nil {
		return none, err
	}
	receipt.SecretStands = true
	return onetime.Pending[onetime.Receipt]{
		Answer: showReceipt(receiptKey, receipt, content, receipt.Created),
		Commit: func(ctx context.Context) error {
			if err := v.create(ctx, secret, receipt, recent); err != nil {
				return err
			}
			if err := v.keepOrBurn(ctx, t.account, secret); err != nil {
				return err
			}
			v.observe(Event{Kind: EventCreated, Count: 1})
			return nil
		},
	}, nil
}

// quotaPause is when to ask again who has too many unread secrets. That there is room then is no promise: a reader may come at
// any time or never, and the next expiry may be weeks away.
const quotaPause = time.Minute

// create stores the records of a new secret.
func (v *Vault) create(ctx context.Context, secret SecretRecord, receipt ReceiptRecord, recent *RecentRecord) error {
	err := v.stored(ctx, v.store.Create(ctx, secret, receipt, recent, v.anonymousQuota))
	if errors.Is(err, ErrQuota) {
		return &onetime.Refusal{Reason: onetime.ErrRateLimited, RetryAfter: quotaPause,
			Message: "Too many secrets from your network wait for their readers; try again when some were read or have expired"}
	}
	if err != nil {
		return fmt.Errorf("vault: store a secret: %w", err)
	}
	return nil
}

// keepOrBurn burns a secret that was just stored for an account whose token was replaced, or which was removed, since it was
// authenticated. BurnAccount replaces the token first: what was stored before that it finds, and what was stored after
// that is burned here, before anybody learns its key. It takes no step that a store would have to do for two records at once.
func (v *Vault) keepOrBurn(ctx context.Context, account *Account, secret SecretRecord) error {
	if account == nil {
		return nil
	}
	err := v.confirm(ctx, account)
	if err == nil {
		return nil
	}
	if failed := v.take(ctx, secret, onetime.StateBurned); failed != nil && !errors.Is(failed, onetime.ErrNotFound) {
		return fmt.Errorf("vault: burn a secret that nobody may share any more: %w", failed)
	}
	return err
}

// newRecords makes the records of a new secret, without what is sealed.
func (v *Vault) newRecords(secretKey, receiptKey onetime.Sensitive, t terms) (SecretRecord, ReceiptRecord) {
	now, ttl := v.now(), grant(t.ttl, t.account)
	secret := SecretRecord{
		ID:            secretID(secretKey),
		ReceiptID:     receiptID(receiptKey),
		Created:       now,
		Expires:       now.Add(ttl),
		HasPassphrase: t.Passphrase != "",
		KeyID:         v.keys.Load().active().id,
	}
	switch {
	case t.account != nil:
		secret.Account = t.account.id
	case v.anonymousQuota != Quota{}: // else nothing of the network is stored
		secret.Owner = v.ownerID(t.network)
	}
	return secret, ReceiptRecord{
		ID:            secret.ReceiptID,
		SecretID:      secret.ID,
		Account:       secret.Account,
		State:         onetime.StateNew,
		Created:       now,
		Updated:       now,
		SecretExpires: secret.Expires,
		Expires:       now.Add(2 * ttl),
		HasPassphrase: secret.HasPassphrase,
		KeyID:         secret.KeyID,
	}
}

// sealSecret makes both layers of a value, the inner one if there is a passphrase.
func (v *Vault) sealSecret(ctx context.Context, key onetime.Sensitive, r SecretRecord, value onetime.Sensitive, t terms) ([]byte, error) {
	plain := []byte(value)
	defer clear(plain)
	body := plain
	if t.Passphrase != "" {
		give, err := v.argon.take(ctx, t.network)
		if err != nil {
			return nil, err
		}
		body, err = v.lock(t.Passphrase, factsOfSecret(r), body)
		give()
		if err != nil {
			return nil, err
		}
	}
	return v.sealValue(key, factsOfSecret(r), body, t.shareDomain)
}

func (v *Vault) recentEntry(account *Account, receiptKey onetime.Sensitive, r ReceiptRecord) (*RecentRecord, error) {
	if account == nil {
		return nil, nil
	}
	sealed, err := v.seal(kindRecent, account.key(), factsOfRecent(r), []byte(receiptKey))
	if err != nil {
		return nil, err
	}
	return &RecentRecord{List: account.list(), Sealed: sealed, Receipt: r}, nil
}

// receiptContent is what of a receipt is sealed.
type receiptContent struct {
	SecretKey   onetime.Sensitive
	custid      string
	recipients  []string // obscured
	shareDomain string
}

func (v *Vault) sealReceipt(key onetime.Sensitive, r ReceiptRecord, c receiptContent) ([]byte, error) {
	var b cryptobyte.Builder
	field := func(text string) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	}
	field(c.SecretKey.Expose())
	field(c.custid)
	field(c.shareDomain)
	for _, recipient := range c.recipients {
		field(recipient)
	}
	plaintext, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("vault: encode a receipt: %w", err)
	}
	return v.seal(kindReceipt, []byte(key), factsOfReceipt(r), plaintext)
}

func (v *Vault) unsealReceipt(key onetime.Sensitive, r ReceiptRecord) (receiptContent, error) {
	var c receiptContent
	plaintext, err := v.unseal(kindReceipt, []byte(key), factsOfReceipt(r), r.Sealed)
	if err != nil {
		return c, err
	}
	if r.SecretExpires.Sub(r.Created) != r.Expires.Sub(r.SecretExpires) {
		return c, ErrDamaged
	}
	var fields []string
	for s := cryptobyte.String(plaintext); !s.Empty(); {
		var field cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&field) {
			return c, ErrDamaged
		}
		fields = append(fields, string(field))
	}
	if len(fields) < 3 || !isKey(onetime.Sensitive(fields[0])) {
		return c, ErrDamaged
	}
	return receiptContent{
		SecretKey:   onetime.Sensitive(fields[0]),
		custid:      fields[1],
		shareDomain: fields[2],
		recipients:  append([]string(nil), fields[3:]...), // nil for none, as when it was made
	}, nil
}
