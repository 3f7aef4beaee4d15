package deploy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers/linux/ssh"
)

// Dir is where the agent lies on a server.
const Dir = "/var/lib/stopover/agent"

// Options say which agent goes where.
type Options struct {
	// Executable is the path of the running stopover; agents lie beside it.
	Executable string
	// Dir is the agent's directory on the server; empty: Dir.
	Dir string
}

// Errors of a server on which no agent can be put, for errors.Is.
var (
	// ErrRights: who logged in is not root.
	ErrRights = errors.New("the agent needs root")
	// ErrPlace: the agent's directory is no good.
	ErrPlace = errors.New("no place for the agent")
	// ErrAnswer: the server answers what no Linux server answers.
	ErrAnswer = errors.New("an answer that cannot be")
)

// Ensure puts the agent on a server unless it is there, and gives its path. It
// asks once where it is there, and twice where it is not. Several may do so at
// a time.
func Ensure(ctx context.Context, conn *ssh.Conn, o Options) (string, error) {
	dir, err := o.dir()
	if err != nil {
		return "", err
	}
	all, err := candidates(o.Executable)
	if err != nil {
		return "", err
	}
	argv := append([]string{"sh", "-c", ask, "sh", dir}, names(all)...)
	out, err := conn.Run(ctx, argv, nil)
	if err != nil {
		return "", err
	}
	f, err := parse(out.Stdout)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w; it said: %s", conn.Address(), ErrAnswer, err, ssh.Plain(out.Stderr, 500))
	}
	b, err := f.choose(conn, o.Executable, all)
	if err != nil {
		return "", err
	}
	there, err := f.place(conn, dir, b)
	if err != nil {
		return "", err
	}
	if !there {
		if err := send(ctx, conn, dir, b, f.has["gzip"]); err != nil {
			return "", err
		}
	}
	return path.Join(dir, b.remote()), nil
}

func (o Options) dir() (string, error) {
	dir := o.Dir
	if dir == "" {
		dir = Dir
	}
	if !path.IsAbs(dir) || path.Clean(dir) != dir || dir == "/" || strings.ContainsAny(dir, "\n\r\x00") {
		return "", fmt.Errorf("%w: agent_dir %q is not the plain absolute path of a directory", ErrPlace, dir)
	}
	return dir, nil
}

// choose picks the agent for the server.
func (f *facts) choose(conn *ssh.Conn, executable string, all map[string]binary) (binary, error) {
	if f.system != "Linux" {
		return binary{}, fmt.Errorf("%s runs %q: %w, which is made for Linux", conn.Address(), f.system, ErrNoAgent)
	}
	arch := architectures()[f.machine]
	if arch == "" {
		return binary{}, fmt.Errorf("%s is of architecture %q: %w; there are agents for %s", conn.Address(), f.machine, ErrNoAgent, supported())
	}
	b, ok := all[arch]
	if !ok {
		_, err := Find(executable, "linux", arch)
		return binary{}, fmt.Errorf("%s is of architecture %q: %w", conn.Address(), f.machine, err)
	}
	if f.uid != 0 {
		return binary{}, fmt.Errorf("%w: %q on %s is not root. Log in as root, or as a user who may use sudo and say sudo = true", ErrRights, conn.User(), conn.Address())
	}
	if !f.has["sha256sum"] && !f.has["shasum"] && !f.has["openssl"] {
		return binary{}, fmt.Errorf("%w: %s has none of sha256sum, shasum and openssl to check what arrived. Install coreutils", ErrPlace, conn.Address())
	}
	return b, nil
}

// place checks the directory and reports whether the agent is in it.
func (f *facts) place(conn *ssh.Conn, dir string, b binary) (bool, error) {
	parts := strings.Split(strings.TrimPrefix(dir, "/"), "/")
	if n := len(f.modes); n == 0 || n > len(parts) || n < len(parts) && !f.modes[n-1].absent {
		return false, fmt.Errorf("%s: %w: it has %d directories on the way to %s", conn.Address(), ErrAnswer, len(f.modes), dir)
	}
	for i, m := range f.modes {
		if m.absent {
			return false, nil
		}
		at := "/" + path.Join(parts[:i+1]...)
		wrong := ""
		switch last := i == len(parts)-1; {
		case m.bits[0] == 'l':
			wrong = "is a symbolic link"
		case m.bits[0] != 'd':
			wrong = "is no directory"
		case m.uid != 0:
			wrong = fmt.Sprintf("belongs to user %d and not to root", m.uid)
		case m.bits[5] == 'w' || m.bits[8] == 'w':
			wrong = "can be written by others than root (" + m.bits + ")"
		case last && m.bits[4:10] != "------":
			wrong = "is open to others than root (" + m.bits + "): chmod 700 it"
		}
		if wrong != "" {
			return false, fmt.Errorf("%w: %s on %s %s, so somebody else could change what root runs there. Mend that, or choose another directory with agent_dir",
				ErrPlace, at, conn.Address(), wrong)
		}
	}
	have, ok := f.files[b.remote()]
	return ok && have.digest == b.digest && have.uid == 0 && have.bits[:10] == "-rwx------", nil
}

// put takes the agent from standard input. Arguments: directory, file name,
// digest, whether it is packed, temporary name. The file appears under its name
// only when it is whole, checked and known to run.
const put = `
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 077
dir=$1 name=$2 want=$3 packed=$4 new=$5
mkdir -p -- "$dir" || exit 11
cd -P -- "$dir" && [ "$(pwd -P)" = "$dir" ] || exit 12
trap 'rm -f -- "./$new"' EXIT
trap 'exit 13' HUP INT TERM PIPE
set -C
if [ "$packed" = 1 ]; then gzip -dc >"./$new"; else cat >"./$new"; fi || exit 14
set +C
sync -- "./$new" 2>/dev/null || sync
got=$(if command -v sha256sum >/dev/null 2>&1; then sha256sum; elif command -v shasum >/dev/null 2>&1; then shasum -a 256; else openssl dgst -sha256 -r; fi <"./$new")
[ "${got%% *}" = "$want" ] || exit 15
chmod 0700 "./$new" || exit 16
"./$new" version </dev/null >/dev/null || exit 17
mv -f -- "./$new" "./$name" || exit 18
sync -- . 2>/dev/null
for f in stopover-agent-*; do
  [ "$f" = "$name" ] || [ ! -f "$f" ] && continue
  used=
  for e in /proc/[0-9]*/exe; do case $(readlink "$e" 2>/dev/null) in "$dir/$f") used=1; break;; esac; done
  [ "$used" ] || rm -f -- "./$f"
done
find . -name '.new-*' -type f -mmin +60 -exec rm -f -- {} + 2>/dev/null
exit 0
`

// send puts the agent on the server.
func send(ctx context.Context, conn *ssh.Conn, dir string, b binary, packed bool) error {
	f, err := os.Open(b.path)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = f.Close() }()
	var stdin io.Reader = f
	flag := "0"
	if packed {
		r := pack(f)
		defer func() { _ = r.Close() }()
		stdin, flag = r, "1"
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	temporary := ".new-" + b.id() + "-" + hex.EncodeToString(random)
	out, err := conn.Run(ctx, []string{"sh", "-c", put, "sh", dir, b.remote(), b.digest, flag, temporary}, stdin)
	if err != nil {
		return fmt.Errorf("put the agent on %s: %w", conn.Address(), err)
	}
	return explain(conn, dir, out)
}

// pack compresses while it is read.
func pack(r io.Reader) *io.PipeReader {
	pr, pw := io.Pipe()
	go func() {
		// gzip writes some hundred bytes at a time, and each would be a packet.
		w := bufio.NewWriterSize(pw, 32<<10)
		z := gzip.NewWriter(w)
		_, err := io.Copy(z, r)
		if err == nil {
			err = z.Close()
		}
		if err == nil {
			err = w.Flush()
		}
		_ = pw.CloseWithError(err)
	}()
	return pr
}

// explain says what kept the agent from its place.
func explain(conn *ssh.Conn, dir string, out ssh.Output) error {
	if out.Exit == 0 && out.Signal == "" {
		return nil
	}
	has := func(s string) bool { return bytes.Contains(out.Stderr, []byte(s)) }
	where := fmt.Sprintf("%s on %s", dir, conn.Address())
	other := ", or choose a directory elsewhere with agent_dir"
	why := ""
	switch {
	case has("No space left on device"):
		why = "the disk is full. Make room (df -h and df -i show where)" + other
	case has("quota exceeded"):
		why = "the disk quota is used up. Raise it" + other
	case has("Read-only file system"):
		why = "the file system is read-only. Look in the server's log why (dmesg), mount it writable" + other
	case out.Exit == 12:
		why = "the path leads elsewhere, through a symbolic link. Give the directory's real path as agent_dir"
	case out.Exit == 15:
		why = "what arrived is not what was sent. Try again; if it happens again, look at the server's disk and memory"
	case out.Exit == 17 && (has("Permission denied") || has("Operation not permitted")):
		why = "files there cannot be run (mounted noexec, or forbidden by SELinux, AppArmor or fapolicyd). Allow it" + other
	case out.Exit == 17 && has("Exec format error"):
		why = "the agent's file is for another architecture than the server's programs"
	case slices.Contains([]int{11, 14, 16, 18}, out.Exit):
		why = "it cannot be written. Mend that" + other
	default:
		why = fmt.Sprintf("its installation ended with code %d", out.Exit)
	}
	text := fmt.Sprintf("put the agent into %s: %s", where, why)
	if said := ssh.Plain(out.Stderr, 1000); said != "" {
		text += "; the server said: " + said
	}
	return fmt.Errorf("%w: %s", ErrPlace, text)
}
