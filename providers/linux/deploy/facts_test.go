package deploy

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stopover/stopover/providers/linux/ssh"
)

const answer = `system Linux
machine x86_64
uid 0
has sha256sum
has gzip
mode drwxr-xr-x 0
mode drwxr-xr-x. 0
mode absent
end
`

func TestParse(t *testing.T) {
	f, err := parse([]byte(answer))
	want := &facts{system: "Linux", machine: "x86_64", has: map[string]bool{"sha256sum": true, "gzip": true}, files: map[string]file{},
		modes: []mode{{bits: "drwxr-xr-x"}, {bits: "drwxr-xr-x."}, {absent: true}}}
	if err != nil || !reflect.DeepEqual(f, want) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, bad := range []string{"", "system Linux\n", answer + "more\n", "system\nend\n", "uid -1\nend\n", "uid 99999999999999999999\nend\n", "mode x 0\nend\n",
		"mode drwx------ root\nend\n", "file a\nend\n", "what 1\nend\n", strings.Repeat(" \n", maxAnswer) + "end\n"} {
		if f, err := parse([]byte(bad)); err == nil {
			t.Errorf("%.40q gave %+v", bad, f)
		}
	}
}

func TestChoose(t *testing.T) {
	good := func() *facts {
		f, err := parse([]byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	conn := &ssh.Conn{}
	all := map[string]binary{"amd64": {digest: strings.Repeat("a", 64)}}
	if _, err := good().choose(conn, "/no/stopover", all); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		spoil func(*facts)
		kind  error
		want  string
	}{
		{func(f *facts) { f.system = "FreeBSD" }, ErrNoAgent, `"FreeBSD"`},
		{func(f *facts) { f.machine = "riscv64" }, ErrNoAgent, `"riscv64": no agent for this server; there are agents for x86_64 and aarch64`},
		{func(f *facts) { f.uid = 1000 }, ErrRights, "sudo = true"},
		{func(f *facts) { f.uid = -1 }, ErrRights, "root"},
		{func(f *facts) { f.has = nil }, ErrPlace, "coreutils"},
	} {
		f := good()
		c.spoil(f)
		if _, err := f.choose(conn, "/no/stopover", all); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
}

// FuzzParse: no answer of a server does more than be taken or refused, nor
// makes a directory look safe that is not shown as root's own.
func FuzzParse(f *testing.F) {
	f.Add([]byte(answer))
	f.Add([]byte("system Linux\nmachine aarch64\nuid 0\nmode drwx------ 0\nfile stopover-agent-aa -rwx------ 0 \\AA\nend"))
	f.Add([]byte("file a b c d e f\n\x00\xff\nend\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parse(in)
		if err != nil {
			return
		}
		b := binary{digest: strings.Repeat("a", 64)}
		conn := &ssh.Conn{}
		if _, err := got.choose(conn, "/no/stopover", map[string]binary{"amd64": b}); err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Fatalf("%q", err)
		}
		there, err := got.place(conn, "/a/b", b)
		if err != nil || !there {
			return
		}
		for _, m := range got.modes {
			if m.uid != 0 || m.bits[0] != 'd' || m.bits[5] == 'w' || m.bits[8] == 'w' {
				t.Fatalf("%+v is taken", got)
			}
		}
		if len(got.modes) != 2 { // a directory that is not there holds nothing
			t.Fatalf("%+v is taken", got)
		}
	})
}
