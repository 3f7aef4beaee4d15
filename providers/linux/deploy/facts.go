package deploy

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// ask is what one round trip asks of a server, as a script for a POSIX shell.
// Arguments: the agent's directory, then the names of files that may be in it.
// Each line of the answer is a word and its value.
const ask = `
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
dir=$1; shift
echo "system $(uname -s)"
echo "machine $(uname -m)"
echo "uid $(id -u)"
for c in sha256sum shasum openssl gzip; do command -v $c >/dev/null 2>&1 && echo "has $c"; done
digest() { if command -v sha256sum >/dev/null 2>&1; then sha256sum; elif command -v shasum >/dev/null 2>&1; then shasum -a 256; else openssl dgst -sha256 -r; fi <"$1" 2>/dev/null; }
show() { set -- $(ls -ldn -- "$1" 2>/dev/null); [ -n "$1" ] && echo "mode $1 $3"; }
p=; rest=${dir#/}/
while [ -n "$rest" ]; do
  p=$p/${rest%%/*}; rest=${rest#*/}
  show "$p" || { echo "mode absent"; break; }
done
for f; do
  if [ -f "$dir/$f" ] && [ ! -L "$dir/$f" ]; then
    set -- $(ls -ldn -- "$dir/$f"); m="$1 $3"
    set -- $(digest "$dir/$f"); echo "file $f $m $1"
  fi
done
echo end
`

// facts is what a server answered.
type facts struct {
	system, machine string
	uid             int
	has             map[string]bool
	modes           []mode // of the directory's components, the outermost first
	files           map[string]file
}

// mode is one component of the directory's path; absent is the first that is
// not there.
type mode struct {
	bits   string // as ls shows them: drwx------
	uid    int
	absent bool
}

type file struct {
	mode
	digest string
}

// maxAnswer bounds the answer in bytes; a true one has some hundreds.
const maxAnswer = 64 << 10

// parse reads the answer of a server, which may be anything at all.
func parse(b []byte) (*facts, error) {
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("the answer is %d bytes long", len(b))
	}
	f := &facts{uid: -1, has: map[string]bool{}, files: map[string]file{}}
	ended := false
	for line := range bytes.Lines(b) {
		w := strings.Fields(string(line))
		if len(w) == 0 {
			continue
		}
		if ended {
			return nil, fmt.Errorf("the answer goes on after its end")
		}
		ok := false
		switch {
		case w[0] == "end" && len(w) == 1:
			ended, ok = true, true
		case w[0] == "system" && len(w) == 2:
			f.system, ok = w[1], true
		case w[0] == "machine" && len(w) == 2:
			f.machine, ok = w[1], true
		case w[0] == "uid" && len(w) == 2:
			f.uid, ok = number(w[1])
		case w[0] == "has" && len(w) == 2:
			f.has[w[1]], ok = true, true
		case w[0] == "mode" && len(w) == 2 && w[1] == "absent":
			f.modes, ok = append(f.modes, mode{absent: true}), true
		case w[0] == "mode" && len(w) == 3:
			var m mode
			m, ok = parseMode(w[1], w[2])
			f.modes = append(f.modes, m)
		case w[0] == "file" && (len(w) == 5 || len(w) == 4):
			var m mode
			m, ok = parseMode(w[2], w[3])
			digest := "" // there is no program that makes one
			if len(w) == 5 {
				digest = strings.ToLower(strings.TrimPrefix(w[4], `\`))
			}
			f.files[w[1]] = file{m, digest}
		}
		if !ok {
			return nil, fmt.Errorf("the answer holds the line %.200q", line)
		}
	}
	if !ended {
		return nil, fmt.Errorf("the answer breaks off")
	}
	return f, nil
}

func parseMode(bits, uid string) (mode, bool) {
	n, ok := number(uid)
	// A dot or plus sign follows where there are labels or access lists.
	if !ok || len(bits) < 10 || len(bits) > 11 {
		return mode{}, false
	}
	return mode{bits: bits, uid: n}, true
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 1<<32
}
