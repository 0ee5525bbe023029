package onetime

// The generator and the linter are pinned by the tool lines of go.mod; these lines say how the generator runs.
// "make generate" runs them, after every change to openapi.yaml.

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml
//go:generate go tool oapi-codegen -config server/oapi-codegen.yaml openapi.yaml
