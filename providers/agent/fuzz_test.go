package agent

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
)

// messages are all that the codec decodes for a stranger.
func messages() []any {
	return []any{&nothing{}, &accountRequest{}, &tokenRequest{}, &sealRequest{}, &runtimeRequest{}, &residueRequest{}, &factsMessage{},
		&sendRequest{}, &digestRequest{}, &detailRequest{}, &questionMessage{}, &answerMessage{}, &compareRequest{},
		&providers.ClaimRequest{}, &providers.FreezeRequest{}, &providers.PullRequest{}, &schema.FoundServer{}, &objectsAnswer{}, &sideDigest{},
		&detailAnswer{}, &chunk{}}
}

// FuzzCodec: no bytes make the codec panic, and what it understands it says
// again in the same way.
func FuzzCodec(f *testing.F) {
	c := newCodec()
	for i, m := range messages() {
		b, err := c.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), b)
	}
	f.Add(byte(6), []byte{0x9a, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		all, again := messages(), messages()
		i := int(which) % len(all)
		if err := c.Unmarshal(data, all[i]); err != nil {
			return
		}
		first, err := c.Marshal(all[i])
		if err != nil {
			t.Fatalf("%T was decoded and cannot be encoded: %v", all[i], err)
		}
		if err := c.Unmarshal(first, again[i]); err != nil {
			t.Fatalf("%T was encoded and cannot be decoded: %v", all[i], err)
		}
		second, err := c.Marshal(again[i])
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%T is %x, then %x, %v", all[i], first, second, err)
		}
	})
}

// FuzzAgent: random bytes on the wire and random calls never make the agent
// panic, hang or stop answering.
func FuzzAgent(f *testing.F) {
	c := newCodec()
	for i := range len(service().Methods) + len(service().Streams) {
		for _, m := range messages() {
			if b, err := c.Marshal(m); err == nil && len(b) < 2_000 {
				f.Add(byte(i), b)
				break
			}
		}
		if b, err := c.Marshal(&accountRequest{Term: 1, Account: "shop"}); err == nil {
			f.Add(byte(i), b)
		}
		if b, err := c.Marshal(&tokenRequest{Term: 1, Account: "shop", Token: providers.Token{Term: 1, N: 1}}); err == nil {
			f.Add(byte(i), b)
		}
	}
	f.Add(byte(255), []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add(byte(255), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r := newRig(f)
	raw, client := r.raw(f), r.client(f)
	// The calls that bring term 1 get past the first guard.
	if _, err := client.Claim(context.Background(), providers.ClaimRequest{Migration: "m", Nonce: "n", Name: "m", Holder: "h"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		bounded, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ctx := metadata.AppendToOutgoingContext(bounded, versionKey, Version, credentialKey, string(data[:min(len(data), 16)]))
		var err error
		switch n := int(which); {
		case n < len(service().Methods):
			answer := []byte(nil)
			err = raw.Invoke(ctx, "/"+serviceName+"/"+service().Methods[n].MethodName, &data, &answer)
		case n < len(service().Methods)+len(service().Streams):
			err = talk(ctx, raw, service().Streams[n-len(service().Methods)].StreamName, data)
		default:
			noise(t, r, data)
		}
		if err != nil && (strings.Contains(err.Error(), "fault of its own") || ctx.Err() != nil) {
			t.Fatalf("call %d: %v", which, err)
		}
		if _, err := client.Identity(bounded); err != nil {
			t.Fatalf("the agent does not answer any more: %v", err)
		}
	})
}

// talk sends a stream's first message, and then its pieces as chunks.
func talk(ctx context.Context, cc *grpc.ClientConn, name string, data []byte) error {
	st, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+serviceName+"/"+name)
	if err != nil {
		return err
	}
	_ = st.SendMsg(&data)
	for rest := data; len(rest) > 0; rest = rest[min(len(rest), 100):] {
		piece := rest[:min(len(rest), 100)]
		_ = st.SendMsg(&piece)
	}
	_ = st.CloseSend()
	for {
		var answer []byte
		if err := st.RecvMsg(&answer); err != nil {
			return err
		}
	}
}

// noise writes bytes that need not be of any protocol.
func noise(t *testing.T, r *rig, data []byte) {
	t.Helper()
	c, err := r.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	go func() { _, _ = c.Write(data) }()
	_, _ = io.Copy(io.Discard, c)
}
