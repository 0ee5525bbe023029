package contract

import (
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// An Operation is one method on one path of a Contract.
type Operation struct {
	ID         string // the operationId, or method and path template where the document gives none
	Method     string
	Path       string // the template, such as "/api/v1/secret/{key}"
	Deprecated bool

	segments            []segment
	parameters          []parameter
	readsQuery          bool                  // there are parameters in it
	body                *openapi3.RequestBody // nil if none is documented
	contents            *contents             // of the body
	responses           map[int]*response     // by status
	otherwise           *response             // for any other status; nil if none may come
	requiresCredentials bool
	route               *routers.Route // what kin-openapi wants to know
}

// RequiresCredentials tells whether the operation cannot be used anonymously.
func (o *Operation) RequiresCredentials() bool { return o.requiresCredentials }

// Documents tells whether a response with this status may come from the operation.
func (o *Operation) Documents(status int) bool { return o.responseFor(status) != nil }

// TakesForm tells whether the operation's request body may be an urlencoded form.
func (o *Operation) TakesForm() bool { return o.formSchema() != nil }

// HasFormField tells whether the operation documents a form field of this name.
func (o *Operation) HasFormField(name string) bool {
	schema := o.formSchema()
	return schema != nil && propertyOf(schema, name) != nil
}

func (o *Operation) formSchema() *openapi3.Schema {
	if m := o.formMedia(); m != nil {
		return m.Schema.Value
	}
	return nil
}

// formMedia returns what is documented for an urlencoded form, and nil for nothing, or none of its schema.
func (o *Operation) formMedia() *media {
	if o.body == nil || o.body.Content[formType] == nil || o.body.Content[formType].Schema == nil {
		return nil
	}
	return o.contents.compiled[o.body.Content[formType]]
}
