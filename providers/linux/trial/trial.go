//go:build linux

// Package trial dumps databases of a server, and tries dumps on another one: a
// dump is loaded under a scratch name, looked at, and dropped.
//
// A dump comes from a server whose accounts may mean harm, and so it is never
// run with an administrator's rights. What it holds is done by a scratch user
// that may do everything in the scratch database and nothing outside of it, and
// that is gone, with all that it had, when the trial is over. No shell and no
// interactive client reads a dump: MariaDB's goes to the server statement by
// statement from here, PostgreSQL's goes through pg_restore, which knows neither
// commands of its own nor files. Nothing of a dump makes users or roles.
package trial

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

// prefix begins the names of everything that a trial makes on a server.
const prefix = "stopover_trial_"

// mark is how a trial knows what earlier ones have left behind.
const mark = "scratch database of Stopover, dropped when its trial is over"

// CleanTime bounds the clearing up after a trial, which goes on when the trial's
// caller is gone: the agent stays for as long.
const CleanTime = 2 * time.Minute

// Scratch is the name under which a database of an account is tried.
func Scratch(account, engine, database string) string {
	h := sha256.Sum256([]byte(account + "\x00" + engine + "\x00" + database))
	return prefix + hex.EncodeToString(h[:8])
}

func checkScratch(name string) error {
	if !regexp.MustCompile(`^` + prefix + `[a-z0-9]{4,40}$`).MatchString(name) {
		return fmt.Errorf("%w: %s is no name for a scratch database", providers.ErrRefused, schema.QuoteName(name))
	}
	return nil
}

// Dump writes one database as it is at one moment, where its engine can tell.
func Dump(ctx context.Context, q agent.DumpRequest, w io.Writer) (agent.Dumped, error) {
	switch q.Engine {
	case "mariadb", "mysql":
		return dumpMariaDB(ctx, q, w)
	case "postgresql":
		return dumpPostgres(ctx, q, w)
	}
	return agent.Dumped{}, fmt.Errorf("%w: databases of %s cannot be dumped for a trial", providers.ErrRefused, schema.QuoteName(q.Engine))
}

// Load tries what Dump wrote.
func Load(ctx context.Context, q agent.LoadRequest, r io.Reader) (schema.TriedDatabase, error) {
	return load(ctx, q, r, longest)
}

// load is Load that may take as long as most says of a database's size.
func load(ctx context.Context, q agent.LoadRequest, r io.Reader, most func(bytes int64) time.Duration) (schema.TriedDatabase, error) {
	if err := checkScratch(q.Scratch); err != nil {
		return schema.TriedDatabase{}, err
	}
	p := newPace(ctx, r)
	in := bufio.NewReaderSize(p, 1<<16)
	h, err := readHeader(in)
	if err != nil {
		return schema.TriedDatabase{}, err
	}
	if h.Engine != q.Engine {
		return schema.TriedDatabase{}, fmt.Errorf("%w: the dump is one of %s, not of %s", providers.ErrRefused, schema.QuoteName(h.Engine), schema.QuoteName(q.Engine))
	}
	ctx, cancel := p.limit(ctx, most(h.Bytes))
	defer cancel()
	var out schema.TriedDatabase
	switch q.Engine {
	case "mariadb", "mysql":
		out, err = loadMariaDB(ctx, q, h, in, p)
	case "postgresql":
		out, err = loadPostgres(ctx, q, h, in, p)
	default:
		err = fmt.Errorf("%w: databases of %s cannot be tried", providers.ErrRefused, schema.QuoteName(q.Engine))
	}
	out.Name, out.Engine = q.Database, q.Engine
	if ctx.Err() != nil && err != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return out, err
}

// header is the first line of a dump: what the database is made with, and what
// has to be in it.
type header struct {
	Stopover   int         `json:"stopover_dump"` // 1
	Engine     string      `json:"engine"`
	Version    string      `json:"version"`
	Bytes      int64       `json:"bytes"`
	Charset    string      `json:"charset,omitempty"`
	Collation  string      `json:"collation,omitempty"`
	Ctype      string      `json:"ctype,omitempty"`
	Provider   string      `json:"provider,omitempty"` // PostgreSQL: c | i | b
	Locale     string      `json:"locale,omitempty"`   // of the provider
	Owners     []string    `json:"owners,omitempty"`
	Extensions []extension `json:"extensions,omitempty"`
	// Tables are the rows of tables, in the snapshot that the dump is made of.
	Tables map[string]int64 `json:"tables,omitempty"`
}

type extension struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Schema  string `json:"schema"`
}

// maxHeader bounds what a server can make another one read at once.
const maxHeader = 16 << 20

func writeHeader(w io.Writer, h header) error {
	h.Stopover = 1
	b, err := json.Marshal(h)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

func readHeader(r *bufio.Reader) (header, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxHeader:
			continue
		case errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull):
			return header{}, fmt.Errorf("%w: what came is no dump", providers.ErrRefused)
		default:
			return header{}, err
		}
		break
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Stopover != 1 || h.Bytes < 0 {
		return header{}, fmt.Errorf("%w: what came is no dump that this version of Stopover knows", providers.ErrRefused)
	}
	return h, nil
}

// secret makes a password for a scratch user.
func secret() string { return rand.Text() + rand.Text() }

// problems collects what is wrong, in the order in which it was seen. What comes
// often is said once, with how often.
type problems struct {
	order []string
	times map[string]int
	more  int
}

// mostProblems bounds how many different ones are told.
const mostProblems = 50

func (p *problems) add(format string, args ...any) {
	s := clean(fmt.Sprintf(format, args...))
	if p.times == nil {
		p.times = map[string]int{}
	}
	switch {
	case p.times[s] > 0:
	case len(p.order) >= mostProblems:
		p.more++
		return
	default:
		p.order = append(p.order, s)
	}
	p.times[s]++
}

func (p *problems) list() []string {
	out := slices.Clone(p.order)
	for i, s := range out {
		if n := p.times[s]; n > 1 {
			out[i] = s + " (" + strconv.Itoa(n) + " times)"
		}
	}
	if p.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", p.more))
	}
	return out
}

// clean makes one line of a text that a hostile server or database had a part
// in: nothing that a terminal would obey, and not too long.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}

// afterwards is the time to clear up in, whatever became of the caller.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), CleanTime)
}
