package agent

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc"

	"github.com/stopover/stopover/providers"
)

const serviceName = "stopover.Agent"

// unary makes the description of one call from a method of Agent.
func unary[Q, A any](name string, f func(*Agent, context.Context, *Q) (*A, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := checkVersion(ctx); err != nil {
			return nil, err
		}
		q := new(Q)
		if err := dec(q); err != nil {
			return nil, err
		}
		if srv.(*Agent).wiping.Load() {
			return nil, toWire(ctx, fmt.Errorf("%w: the server is being reinstalled", providers.ErrUnreachable))
		}
		a, err := guarded(srv.(*Agent), name, func() (*A, error) { return f(srv.(*Agent), ctx, q) })
		if err != nil {
			return nil, toWire(ctx, err)
		}
		return a, nil
	}}
}

func streaming(name string, f func(*Agent, grpc.ServerStream) error) grpc.StreamDesc {
	return grpc.StreamDesc{StreamName: name, ServerStreams: true, ClientStreams: true, Handler: func(srv any, st grpc.ServerStream) error {
		if err := checkVersion(st.Context()); err != nil {
			return err
		}
		_, err := guarded(srv.(*Agent), name, func() (*nothing, error) { return nil, f(srv.(*Agent), st) })
		return toWire(st.Context(), err)
	}}
}

// guarded turns a panic of one call into its error: one account's strange data
// must not take the server's other accounts down.
func guarded[A any](a *Agent, name string, f func() (*A, error)) (out *A, err error) {
	defer func() {
		if r := recover(); r != nil {
			a.log.Error("panic", "call", name, "value", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: the agent met a fault of its own: %v; see the server's log", name, r)
		}
	}()
	return f()
}

// service is the table of contents of the protocol: every call there is. Calls
// of the first group come from the tool, those of the second from the other
// server's agent and need its pairing credential.
func service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unary("Identity", (*Agent).identity),
			unary("Survey", (*Agent).survey),
			unary("Claim", (*Agent).claim),
			unary("Pair", (*Agent).pair),
			unary("Stage", (*Agent).stage),
			unary("Freeze", (*Agent).freeze),
			unary("Renew", (*Agent).renew),
			unary("Thaw", (*Agent).thaw),
			unary("PrepareCopy", (*Agent).prepareCopy),
			unary("Commit", (*Agent).commit),
			unary("Activate", (*Agent).activate),
			unary("Confirm", (*Agent).confirm),
			unary("Status", (*Agent).status),
			unary("Seal", (*Agent).seal),
			unary("Unseal", (*Agent).unseal),
			unary("Stub", (*Agent).stub),
			unary("Inherit", (*Agent).inherit),
			unary("DeclareLost", (*Agent).declareLost),
			unary("Surrender", (*Agent).surrender),
			unary("Accept", (*Agent).accept),
			unary("Unpair", (*Agent).unpair),
			unary("Reintroduce", (*Agent).reintroduce),
			unary("Rebuild", (*Agent).rebuild),
			unary("Origin", (*Agent).origin),
			unary("CloseOrigin", (*Agent).closeOrigin),
			unary("Compare", (*Agent).compare),
			unary("Reinstall", (*Agent).reinstall),
			unary("TakeOver", (*Agent).takeOver),
			unary("GiveBack", (*Agent).giveBack),
			unary("Serve", (*Agent).serve),
			unary("Silence", (*Agent).silence),
			unary("Release", (*Agent).release),
			unary("Runtime", (*Agent).runtime),
			unary("Archive", (*Agent).archive),
			unary("Retire", (*Agent).retire),
			unary("DisposeResidue", (*Agent).disposeResidue),
			unary("PlaceResidue", (*Agent).placeResidue),
			unary("AddFacts", (*Agent).addFacts),
			unary("Facts", (*Agent).facts),
			unary("Stop", (*Agent).stop),

			unary("Poll", (*Agent).poll),
			unary("Tell", (*Agent).tell),
			unary("Hint", (*Agent).hint),
			unary("Assist", (*Agent).assist),
			unary("Objects", (*Agent).objects),
			unary("Digest", (*Agent).digest),
			unary("Detail", (*Agent).detail),
		},
		Streams: []grpc.StreamDesc{
			streaming("Pull", (*Agent).pull),
			streaming("Try", (*Agent).try),

			streaming("Send", (*Agent).send),
			streaming("SendTrial", (*Agent).sendTrial),
		},
	}
}
