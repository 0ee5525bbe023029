package server

import (
	"context"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/gen"
	"github.com/onetime-go/onetime/gen/echoserver"
)

// operations is the generated interface on top of a Service. The methods of the contract come first, each one call; what
// they have in common follows.
type operations struct {
	service Service
	links   links
}

var _ echoserver.StrictServerInterface = operations{}

func (o operations) V1Status(ctx context.Context, r echoserver.V1StatusRequestObject) (echoserver.V1StatusResponseObject, error) {
	answer, err := o.status(ctx, o.service.Status)
	if err != nil {
		return nil, err
	}
	return echoserver.V1Status200JSONResponse{StatusJSONResponse: echoserver.StatusJSONResponse(answer)}, nil
}

func (o operations) V1Authcheck(ctx context.Context, r echoserver.V1AuthcheckRequestObject) (echoserver.V1AuthcheckResponseObject, error) {
	answer, err := o.status(ctx, o.service.AuthCheck)
	if err != nil {
		return nil, err
	}
	return echoserver.V1Authcheck200JSONResponse{StatusJSONResponse: echoserver.StatusJSONResponse(answer)}, nil
}

func (o operations) V1Share(ctx context.Context, r echoserver.V1ShareRequestObject) (echoserver.V1ShareResponseObject, error) {
	answer, err := o.share(ctx, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1Share200JSONResponse{SharedJSONResponse: echoserver.SharedJSONResponse(answer)}, nil
}

func (o operations) V1Create(ctx context.Context, r echoserver.V1CreateRequestObject) (echoserver.V1CreateResponseObject, error) {
	answer, err := o.share(ctx, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1Create200JSONResponse{SharedJSONResponse: echoserver.SharedJSONResponse(answer)}, nil
}

func (o operations) V1Generate(ctx context.Context, r echoserver.V1GenerateRequestObject) (echoserver.V1GenerateResponseObject, error) {
	answer, err := o.generate(ctx, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1Generate200JSONResponse{GeneratedJSONResponse: echoserver.GeneratedJSONResponse(answer)}, nil
}

func (o operations) V1ShowSecret(ctx context.Context, r echoserver.V1ShowSecretRequestObject) (echoserver.V1ShowSecretResponseObject, error) {
	answer, err := o.reveal(ctx, r.Key, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1ShowSecret200JSONResponse{SecretRevealJSONResponse: echoserver.SecretRevealJSONResponse(answer)}, nil
}

func (o operations) V1ShowReceiptRecent(ctx context.Context, r echoserver.V1ShowReceiptRecentRequestObject) (echoserver.V1ShowReceiptRecentResponseObject, error) {
	answer, err := o.recent(ctx)
	if err != nil {
		return nil, err
	}
	return echoserver.V1ShowReceiptRecent200JSONResponse(answer), nil
}

func (o operations) V1ShowReceipt(ctx context.Context, r echoserver.V1ShowReceiptRequestObject) (echoserver.V1ShowReceiptResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1ShowReceipt200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1ShowReceiptPost(ctx context.Context, r echoserver.V1ShowReceiptPostRequestObject) (echoserver.V1ShowReceiptPostResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1ShowReceiptPost200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1ReceiptBurnSecret(ctx context.Context, r echoserver.V1ReceiptBurnSecretRequestObject) (echoserver.V1ReceiptBurnSecretResponseObject, error) {
	answer, err := o.burn(ctx, r.Key, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1ReceiptBurnSecret200JSONResponse{BurnSecretJSONResponse: echoserver.BurnSecretJSONResponse(answer)}, nil
}

func (o operations) V1PrivateShowReceiptRecent(ctx context.Context, r echoserver.V1PrivateShowReceiptRecentRequestObject) (echoserver.V1PrivateShowReceiptRecentResponseObject, error) {
	answer, err := o.recent(ctx)
	if err != nil {
		return nil, err
	}
	return echoserver.V1PrivateShowReceiptRecent200JSONResponse(answer), nil
}

func (o operations) V1PrivateShowReceipt(ctx context.Context, r echoserver.V1PrivateShowReceiptRequestObject) (echoserver.V1PrivateShowReceiptResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1PrivateShowReceipt200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1PrivateShowReceiptPost(ctx context.Context, r echoserver.V1PrivateShowReceiptPostRequestObject) (echoserver.V1PrivateShowReceiptPostResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1PrivateShowReceiptPost200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1PrivateBurnSecret(ctx context.Context, r echoserver.V1PrivateBurnSecretRequestObject) (echoserver.V1PrivateBurnSecretResponseObject, error) {
	answer, err := o.burn(ctx, r.Key, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1PrivateBurnSecret200JSONResponse{BurnSecretJSONResponse: echoserver.BurnSecretJSONResponse(answer)}, nil
}

func (o operations) V1MetadataShowReceiptRecent(ctx context.Context, r echoserver.V1MetadataShowReceiptRecentRequestObject) (echoserver.V1MetadataShowReceiptRecentResponseObject, error) {
	answer, err := o.recent(ctx)
	if err != nil {
		return nil, err
	}
	return echoserver.V1MetadataShowReceiptRecent200JSONResponse(answer), nil
}

func (o operations) V1MetadataShowReceipt(ctx context.Context, r echoserver.V1MetadataShowReceiptRequestObject) (echoserver.V1MetadataShowReceiptResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1MetadataShowReceipt200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1MetadataShowReceiptPost(ctx context.Context, r echoserver.V1MetadataShowReceiptPostRequestObject) (echoserver.V1MetadataShowReceiptPostResponseObject, error) {
	answer, err := o.receipt(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return echoserver.V1MetadataShowReceiptPost200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(answer)}, nil
}

func (o operations) V1MetadataBurnSecret(ctx context.Context, r echoserver.V1MetadataBurnSecretRequestObject) (echoserver.V1MetadataBurnSecretResponseObject, error) {
	answer, err := o.burn(ctx, r.Key, *r.Body)
	if err != nil {
		return nil, err
	}
	return echoserver.V1MetadataBurnSecret200JSONResponse{BurnSecretJSONResponse: echoserver.BurnSecretJSONResponse(answer)}, nil
}

// answered turns what a Service returns into what goes over the wire.
func answered[T, W any](answer T, err error, wire func(T) (W, error)) (W, error) {
	var none W
	if err != nil {
		return none, serviceError{err}
	}
	w, err := wire(answer)
	if err != nil {
		return none, serviceError{err}
	}
	return w, nil
}

// deferred is answered for an answer in two steps: the second is done when the first is known to be good.
func deferred[T, W any](ctx context.Context, pending onetime.Pending[T], err error, wire func(T) (W, error)) (W, error) {
	if err == nil && pending.Commit != nil {
		Defer(ctx, func(ctx context.Context) error {
			if err := pending.Commit(ctx); err != nil {
				return serviceError{err}
			}
			return nil
		})
	}
	return answered(pending.Answer, err, wire)
}

func (o operations) status(ctx context.Context, ask func(context.Context, onetime.Caller) (onetime.Status, error)) (gen.Status, error) {
	status, err := ask(ctx, callerOf(ctx))
	return answered(status, err, func(s onetime.Status) (gen.Status, error) {
		return gen.Status{Status: s.Status, Locale: s.Locale}, nil
	})
}

func (o operations) share(ctx context.Context, form gen.ShareRequest) (gen.Receipt, error) {
	pending, err := o.service.Share(ctx, callerOf(ctx), onetime.ShareRequest{
		Secret:      onetime.Sensitive(form.Secret),
		TTL:         lifetime(form.TTL),
		Passphrase:  sensitive(form.Passphrase),
		Recipients:  recipients(form.Recipient),
		ShareDomain: text(form.ShareDomain),
	})
	return deferred(ctx, pending, err, o.links.wireKept)
}

func (o operations) generate(ctx context.Context, form gen.GenerateRequest) (gen.Receipt, error) {
	pending, err := o.service.Generate(ctx, callerOf(ctx), onetime.GenerateRequest{
		TTL:         lifetime(form.TTL),
		Passphrase:  sensitive(form.Passphrase),
		Recipients:  recipients(form.Recipient),
		ShareDomain: text(form.ShareDomain),
	})
	return deferred(ctx, pending, err, o.links.wireReceipt)
}

func (o operations) reveal(ctx context.Context, key string, form gen.RevealRequest) (gen.SecretReveal, error) {
	pending, err := o.service.Reveal(ctx, callerOf(ctx), onetime.RevealRequest{
		Key:        onetime.Sensitive(key),
		Passphrase: sensitive(form.Passphrase),
	})
	return deferred(ctx, pending, err, wireSecret)
}

func (o operations) burn(ctx context.Context, key string, form gen.BurnRequest) (gen.BurnSecret, error) {
	pending, err := o.service.Burn(ctx, callerOf(ctx), onetime.BurnRequest{
		Key:        onetime.Sensitive(key),
		Passphrase: sensitive(form.Passphrase),
	})
	return deferred(ctx, pending, err, func(b onetime.Burned) (gen.BurnSecret, error) {
		state, err := o.links.wireKept(b.Receipt)
		if !areUTF8(b.ShortKey.Expose()) {
			err = errNotUTF8
		}
		return gen.BurnSecret{State: state, SecretShortkey: b.ShortKey.Expose()}, err
	})
}

func (o operations) receipt(ctx context.Context, key string) (gen.Receipt, error) {
	receipt, err := o.service.Receipt(ctx, callerOf(ctx), onetime.Sensitive(key))
	return answered(receipt, err, o.links.wireKept)
}

func (o operations) recent(ctx context.Context) (gen.Receipts, error) {
	receipts, err := o.service.Recent(ctx, callerOf(ctx))
	return answered(receipts, err, func(all []onetime.Receipt) (gen.Receipts, error) {
		list := gen.Receipts{} // an empty list, not null
		for _, r := range all {
			r.SecretKey = "" // the contract: never in a list
			wire, err := o.links.wireKept(r)
			if err != nil {
				return nil, err
			}
			list = append(list, wire)
		}
		return list, nil
	})
}
