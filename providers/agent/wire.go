package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stopover/stopover/providers"
)

// Version of the protocol. Both ends say it in every call; they speak only
// when it is the same.
const Version = "1"

// Bounds that both ends hold, whatever the other says.
const (
	maxMessage = 64 << 20  // bytes of one message; a survey of a big server is the largest
	maxChunk   = 512 << 10 // bytes of one chunk of a stream
	window     = 4 << 20   // flow-control window
)

// chunk is a piece of a byte stream. It is sent as it is, without CBOR around it.
type chunk struct{ data []byte }

// codec turns messages into CBOR and chunks into themselves.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	// Core deterministic encoding; times as RFC 3339 text with nanoseconds.
	opts := cbor.CoreDetEncOptions()
	opts.Time = cbor.TimeRFC3339Nano
	enc, err := opts.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	dec, err := cbor.DecOptions{
		MaxArrayElements: 1 << 22,
		MaxMapPairs:      1 << 20,
		MaxNestedLevels:  32,
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		// Names of files and accounts come from hosts and need not be UTF-8.
		UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return codec{enc: enc, dec: dec}
}

// Name implements encoding.Codec.
func (codec) Name() string { return "stopover-cbor" }

// Marshal implements encoding.Codec.
func (c codec) Marshal(v any) ([]byte, error) {
	if p, ok := v.(*chunk); ok {
		return p.data, nil
	}
	return c.enc.Marshal(v)
}

// Unmarshal implements encoding.Codec.
func (c codec) Unmarshal(data []byte, v any) error {
	if p, ok := v.(*chunk); ok {
		if len(data) > maxChunk {
			return fmt.Errorf("chunk of %d bytes is larger than %d", len(data), maxChunk)
		}
		// gRPC may use data again after this call.
		p.data = append([]byte(nil), data...)
		return nil
	}
	return c.dec.Unmarshal(data, v)
}

const (
	versionKey    = "stopover-protocol"
	credentialKey = "stopover-credential-bin"
	kindKey       = "stopover-error"
)

// errorKinds are the errors that keep their identity over the wire.
func errorKinds() map[string]error {
	return map[string]error{
		"temporary":   providers.ErrTemporary,
		"superseded":  providers.ErrSuperseded,
		"refused":     providers.ErrRefused,
		"absent":      providers.ErrAbsent,
		"unreachable": providers.ErrUnreachable,
	}
}

// toWire makes an error that the other end can recognise again.
func toWire(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	md := metadata.MD{}
	for kind, e := range errorKinds() {
		if errors.Is(err, e) { // it may wrap more than one
			md.Append(kindKey, kind)
		}
	}
	if len(md) > 0 {
		// The header may be sent already on a stream; then the trailer carries it.
		_ = grpc.SetTrailer(ctx, md)
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Unknown, err.Error())
}

// wireError is an error that came over the wire: its text, and the known errors
// that it wraps.
type wireError struct {
	text  string
	kinds []error
}

func (e *wireError) Error() string   { return e.text }
func (e *wireError) Unwrap() []error { return e.kinds }

// fromWire turns a call's error back into one that errors.Is understands.
// What breaks the connection is unreachable; a repetition is the caller's choice.
func fromWire(err error, trailer metadata.MD) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	var kinds []error
	for kind, e := range errorKinds() {
		if slices.Contains(trailer.Get(kindKey), kind) {
			kinds = append(kinds, e)
		}
	}
	if len(kinds) > 0 {
		return &wireError{st.Message(), kinds}
	}
	switch st.Code() {
	case codes.Unavailable:
		return &wireError{"no answer: " + st.Message(), []error{providers.ErrUnreachable}}
	case codes.Canceled:
		return &wireError{st.Message(), []error{context.Canceled}}
	case codes.DeadlineExceeded:
		return &wireError{st.Message(), []error{context.DeadlineExceeded}}
	}
	return &wireError{st.Message(), nil}
}
