// Package request holds what the actions of every service use to read requests and to write
// answers: optional values, pages of lists, client tokens, and the tags of rows. What differs between
// services, above all the words of their errors, is a value that the service passes in.
package request

// Value returns what p points to, or the zero value if the request does not have the field.
func Value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Optional returns a pointer to v, or nil for the zero value, so that the answer leaves the field
// out.
func Optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// Int converts an optional number of a request to the type in the rows.
func Int(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// Int32 converts an optional number of a row to the type in answers.
func Int32(n *int) *int32 {
	if n == nil {
		return nil
	}
	return new(int32(*n))
}
