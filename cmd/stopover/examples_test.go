package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stopover/stopover/schema/process"
)

var update = flag.Bool("update", false, "write docs/transcripts from what the examples print now")

// workday runs examples with working hours in them only where these are open for
// long enough; see anyHour.
const workday = "Europe/Paris"

// An example is walked as its README tells a reader to: the test takes the
// commands and the edits from the README and does nothing else, so that what is
// written there works.
//
//	```sh    commands, one a line; "# exit 3" behind one is its exit status
//	```diff  an edit of main.stopover.hcl, as a person makes it
//	```text  lines that the command before it has printed, in this order, among
//	         others; "…" stands for anything
type example struct {
	name string
	// transcript is the page of docs that shows what was printed; or empty.
	transcript string
	// after looks at what the walk has left.
	after func(*testing.T, *walk)
}

func examples() []example {
	return []example{
		{name: "quickstart", after: func(t *testing.T, w *walk) {
			w.holds(t, "client/accounts/blog/home/www/index.html", "Hello from the blog")
			w.holds(t, "client/accounts/blog/mail/blog.example/ann/new/1700000000.M1P1.quickstart", "See you in spring")
		}},
		{name: "csv-accounts", after: func(t *testing.T, w *walk) {
			w.holds(t, "client/accounts/shop-fr/home/www/index.html", "Votre panier")
		}},
		{name: "one-way", after: func(t *testing.T, w *walk) {
			w.holds(t, "new/accounts/studio/home/www/index.html", "Studio")
		}},
		{name: "self-managed", after: func(t *testing.T, w *walk) {
			w.holds(t, "client/etc/monitoring.conf", "watch = yes")
			w.holds(t, "client/accounts/christmas/home/www/index.html", "Pop-up store")
			w.gone(t, "client/accounts/old-club")
			w.gone(t, "client/accounts/guest")
		}},
		{name: "process-2021", transcript: "process-2021.md", after: home},
		{name: "process-2025", transcript: "process-2025.md", after: home},
		{name: "systemd-timer", after: func(t *testing.T, w *walk) {
			w.holds(t, "client/accounts/blog/home/www/index.html", "Hello from the blog")
			units(t, w)
		}},
		{name: "windows-and-deadline", after: func(t *testing.T, w *walk) {
			for _, a := range []string{"archive", "bank", "blog", "forum", "shop"} {
				w.holds(t, "client/accounts/"+a+"/home/www/index.html", "<h1>")
				w.holds(t, "transit/accounts/"+a+"/home/www/index.html", "<h1>")
			}
		}},
		{name: "rollback", after: func(t *testing.T, w *walk) {
			w.holds(t, "client/accounts/shop/home/order-42.txt", "order 42")
			w.holds(t, "client/accounts/shop/home/note.txt", "mended")
		}},
		// Its servers are not there; make testbed starts some.
		{name: "linux-round-trip"},
	}
}

// home checks that the shop of both processes is there, all of it.
func home(t *testing.T, w *walk) {
	w.holds(t, "client/accounts/shop/home/www/index.html", "Your cart")
	w.holds(t, "client/accounts/shop/mail/shop.example/orders/new/1700000001.M1P1.client", "Two chairs")
	w.holds(t, "client/accounts/shop/databases/orders.sqlite", "SQLite format 3")
	w.holds(t, "client/server.json", `"architecture": "2024"`)
}

func TestExamples(t *testing.T) {
	bin := build(t)
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, bin, e.name)
			w.follow(t, "README.md")
			if e.after != nil {
				e.after(t, w)
			}
			if e.transcript != "" {
				w.transcript(t, e.transcript)
			}
		})
	}
}

// Every directory with a configuration is in the list above, and nothing there
// is written in a way that stopover fmt would change.
func TestExamplesAreRun(t *testing.T) {
	bin := build(t)
	found, err := filepath.Glob("../../examples/*/*.stopover.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		dir := filepath.Base(filepath.Dir(f))
		if !slices.ContainsFunc(examples(), func(e example) bool { return e.name == dir }) {
			t.Errorf("no test runs examples/%s", dir)
		}
	}
	for _, e := range examples() {
		c := exec.Command(filepath.Join(bin, "stopover"), "-C", filepath.Join("../../examples", e.name), "fmt", "--check", "--diff")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("examples/%s: %v\n%s", e.name, err, out)
		}
	}
}

// build builds the program as it is shipped.
func build(t *testing.T) string {
	bin := t.TempDir()
	c := exec.Command("go", "build", "-o", filepath.Join(bin, "stopover"), ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// walk is one example, copied, at addresses of its own.
type walk struct {
	name  string
	dir   string
	bin   string
	env   []string
	there *strings.Replacer   // from the example's addresses to the test's
	back  func(string) string // and from these to the example's
	said  []command
}

// command is one line of a README and what became of it.
type command struct {
	line   string
	status int
	output string
	edit   bool
}

var loopback = regexp.MustCompile(`127\.\d+\.\d+\.`)

// start copies an example.
func start(t *testing.T, bin, name string) *walk {
	w := &walk{name: name, dir: t.TempDir(), bin: bin}
	from := filepath.Join("../../examples", name)
	config, err := os.ReadFile(filepath.Join(from, "main.stopover.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := loopback.FindString(string(config))
	if theirs == "" {
		return w.plain(t, from)
	}
	address, port := sameWidth(theirs)
	w.there = strings.NewReplacer(theirs, address+".", "8080", strconv.Itoa(port), "8025", strconv.Itoa(port+1))
	back := strings.NewReplacer(address+".", theirs, ":"+strconv.Itoa(port), ":8080", ":"+strconv.Itoa(port+1), ":8025", w.dir, "/tmp/"+name,
		// The example's port is the default, which init would not have written down.
		fmt.Sprintf("provider \"local\" {\n  http_port = %d\n}\n\n", port), "")
	w.back = back.Replace
	if err := os.CopyFS(w.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".sqlite" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := w.there.Replace(string(b))
		if filepath.Base(path) == "main.stopover.hcl" {
			text = ports(text, port)
		}
		return os.WriteFile(path, []byte(text), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.surround(t)
	t.Cleanup(func() { stopAll(t, filepath.Join(bin, "stopover"), w.dir) })
	if !workingHours(t) {
		w.anyHour(t)
	}
	return w
}

// plain copies an example without pocket servers as it is.
func (w *walk) plain(t *testing.T, from string) *walk {
	w.there, w.back = strings.NewReplacer(), strings.NewReplacer(w.dir, "/tmp/"+w.name).Replace
	if err := os.CopyFS(w.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	w.surround(t)
	return w
}

// surround is the environment that commands run in.
func (w *walk) surround(t *testing.T) {
	w.env = append(os.Environ(), "PATH="+w.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+t.TempDir(), "NO_COLOR=1", "TZ=UTC",
		"STOPOVER_BY=", "USER=ann")
}

// sameWidth chooses free addresses that are as wide as the example's, so that
// tables stay tables when they are put back.
func sameWidth(theirs string) (string, int) {
	for {
		a, p := fmt.Sprintf("127.%d.%d", 10+rand.IntN(90), 10+rand.IntN(90)), 5000+2*rand.IntN(2400)
		if len(a)+1 == len(theirs) && free(a+".1", p) && free(a+".1", p+1) && free(a+".2", p) && free(a+".2", p+1) {
			return a, p
		}
	}
}

// ports gives each server of a configuration ports of its own.
func ports(config string, port int) string {
	return regexp.MustCompile(`(?m)^  address +=`).ReplaceAllString(config, fmt.Sprintf("  http_port = %d\n  smtp_port = %d\n$0", port, port+1))
}

// workingHours says whether the working hours of the built-in processes are
// open, now and for the next ten minutes.
func workingHours(t *testing.T) bool {
	zone, err := time.LoadLocation(workday)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(zone)
	return now.Weekday() != time.Saturday && now.Weekday() != time.Sunday && now.Hour() >= 9 && now.Add(10*time.Minute).Hour() < 18
}

// anyHour lets an example whose process relocates in working hours run at night
// too: with the same process, but for its hours.
func (w *walk) anyHour(t *testing.T) {
	path := filepath.Join(w.dir, "main.stopover.hcl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = "private-cloud-2021"
	if !bytes.Contains(b, []byte(strconv.Quote(name))) {
		return
	}
	rules, ok := process.Builtin(name)
	if !ok {
		t.Fatalf("no process %s", name)
	}
	rest := strings.NewReplacer(strconv.Quote(name), `"at-any-hour"`, `hours = "working"`, `hours = "any"`).Replace(string(rules))
	if err := os.WriteFile(filepath.Join(w.dir, "hours.stopover.hcl"), []byte(rest), 0o644); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), strconv.Quote(name), `"at-any-hour"`)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	back := w.back
	w.back = func(s string) string { return strings.ReplaceAll(back(s), "at-any-hour", name) }
}

var (
	fence  = regexp.MustCompile("(?ms)^```(sh|diff|text)\n(.*?)^```$")
	status = regexp.MustCompile(`# exit (\d+)`)
	// asking is a command that asks whether to begin.
	asking = regexp.MustCompile(`^stopover (apply|rollback)\b`)
)

// follow does what a README says.
func (w *walk) follow(t *testing.T, readme string) {
	b, err := os.ReadFile(filepath.Join(w.dir, readme))
	if err != nil {
		t.Fatal(err)
	}
	blocks := fence.FindAllStringSubmatch(string(b), -1)
	if len(blocks) == 0 {
		t.Fatalf("%s says nothing to do", readme)
	}
	for _, block := range blocks {
		text := block[2]
		switch block[1] {
		case "sh":
			for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
				w.command(t, strings.TrimSpace(line))
			}
		case "diff":
			w.edit(t, text)
		case "text":
			w.printed(t, text)
		}
	}
}

// command runs one line by a shell. What begins or continues something is said
// by flags, for nobody can be asked here.
func (w *walk) command(t *testing.T, line string) {
	if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "cp -r examples/") || strings.HasPrefix(line, "cd /tmp/") {
		return
	}
	run, want := line, 0
	if m := status.FindStringSubmatch(line); m != nil {
		want, _ = strconv.Atoi(m[1])
	}
	if _, err := exec.LookPath("curl"); err != nil && strings.HasPrefix(line, "curl ") {
		t.Logf("left out, there is no curl here: %s", line)
		return
	}
	if !strings.Contains(run, "--plan") {
		run = asking.ReplaceAllString(run, "$0 --auto-approve")
	}
	c := exec.Command("sh", "-c", run)
	c.Dir, c.Env = w.dir, w.env
	out, err := c.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", line, err)
	}
	got := command{line: w.back(line), status: c.ProcessState.ExitCode(), output: w.back(string(out))}
	w.said = append(w.said, got)
	t.Logf("$ %s\n%s", got.line, got.output)
	if got.status != want {
		t.Fatalf("%s exits with %d, not %d", line, got.status, want)
	}
}

// edit changes main.stopover.hcl.
func (w *walk) edit(t *testing.T, diff string) {
	var before, after strings.Builder
	// A digest is another one each time: the reader copies it from what is printed.
	diff = w.there.Replace(strings.ReplaceAll(diff, "EVIDENCE", w.evidence()))
	for line := range strings.Lines(diff) {
		kind, rest := line[:1], line[1:]
		if kind != "+" {
			before.WriteString(rest)
		}
		if kind != "-" {
			after.WriteString(rest)
		}
	}
	path := filepath.Join(w.dir, "main.stopover.hcl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), before.String()); n != 1 {
		t.Fatalf("this edit fits %d places of the configuration:\n%s\n%s", n, diff, b)
	}
	text := strings.Replace(string(b), before.String(), after.String(), 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.said = append(w.said, command{line: w.back(diff), edit: true})
}

// evidence is the last digest that was printed.
func (w *walk) evidence() string {
	last := ""
	for _, c := range w.said {
		if all := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(c.output, -1); len(all) > 0 {
			last = all[len(all)-1]
		}
	}
	return last
}

// printed checks that the last command has printed these lines, in this order.
func (w *walk) printed(t *testing.T, want string) {
	last := w.said[len(w.said)-1]
	got := strings.Join(strings.Fields(last.output), " ")
	rest := got
	for line := range strings.Lines(want) {
		for part := range strings.SplitSeq(line, "…") {
			part = strings.Join(strings.Fields(part), " ")
			_, behind, ok := strings.Cut(rest, part)
			if !ok {
				t.Fatalf("%s does not print, or not there: %s", last.line, part)
			}
			rest = behind
		}
	}
}

// holds checks that a file is there and holds a text.
func (w *walk) holds(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, path))
	if err != nil {
		t.Error(err)
	} else if !bytes.Contains(b, []byte(text)) {
		t.Errorf("%s does not hold %q:\n%s", path, text, b)
	}
}

// gone checks that a file is not there.
func (w *walk) gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(w.dir, path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there (%v)", path, err)
	}
}

// transcript compares what was printed with a page of docs, or writes the page.
// Times, sizes and digests are different each time, and steps that run beside
// each other end in any order: so what is compared is the words of each command,
// sorted, without what has a figure in it.
func (w *walk) transcript(t *testing.T, path string) {
	page := w.page(t)
	path = filepath.Join("../../docs/transcripts", path)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := sections(page), sections(string(b))
	if len(got) != len(want) {
		t.Fatalf("%s has %d commands, not %d: read what changed and run the test with -update", path, len(want), len(got))
	}
	for i := range got {
		head, _, _ := strings.Cut(got[i], "\n")
		if was, _, _ := strings.Cut(want[i], "\n"); was != head {
			t.Errorf("%s: command %d is %s, not %s: run the test with -update", path, i+1, head, was)
		}
		// The words hang on the hour and on what was measured, so that a difference
		// is something to read, not a failure.
		if d := differ(want[i], got[i]); d != "" && testing.Verbose() {
			t.Logf("%s, at %s: %s\nRead what changed and run the test with -update.\n%s", path, head, d, got[i])
		}
	}
}

var digest = regexp.MustCompile(`sha256:[0-9a-f]{8,64}`)

// page is a transcript.
func (w *walk) page(t *testing.T) string {
	var b strings.Builder
	title := w.name
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	clean := regexp.MustCompile(`\b[\w.-]+@` + regexp.QuoteMeta(host) + `\b( \(pid \d+\))?`)
	fmt.Fprintf(&b, "# %s, from the first command to the last\n\nWhat [examples/%s](../../examples/%s/README.md) prints. A test runs it on pocket\nservers and writes this page; digests, times and sizes are those of that run.\n", title, title, title)
	for _, c := range w.said {
		if c.edit {
			fmt.Fprintf(&b, "\n## edit main.stopover.hcl\n\n```diff\n%s```\n", short(c.line))
			continue
		}
		line := strings.TrimSpace(status.ReplaceAllString(c.line, ""))
		text := short(c.output)
		text = clean.ReplaceAllString(text, "ann@laptop")
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s```\n", line, cmp.Or(text, "\n"))
		if c.status != 0 {
			fmt.Fprintf(&b, "\nExit status %d.\n", c.status)
		}
	}
	return b.String()
}

// short cuts digests: they are others each time, and nobody reads them whole.
func short(text string) string {
	return digest.ReplaceAllStringFunc(text, func(d string) string { return d[:min(len(d), len("sha256:")+11)] + "…" })
}

// sections are the commands of a page, each with what it printed.
func sections(page string) []string { return strings.Split(page, "\n## ")[1:] }

var (
	figure  = regexp.MustCompile(`\d`)
	measure = regexp.MustCompile(`^\W*(ns|µs|ms|s|min|h|d|B|[KMGT]iB|[KMGT]?i?B/s|days?|hours?|minutes?|seconds?|jours?|heures?|secondes?)\W*$`)
	dated   = regexp.MustCompile(`(?i)^\W*(mon|tues?|wed|wednes|thu|thurs|fri|sat|satur|sun)(day)?\W*$|^\W*(lun|mar|mercre|jeu|vendre|same)di\W*$|^\W*dimanche\W*$|` +
		`^\W*(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(uary|ruary|ch|il|ust|ember|ober)?\W*$|` +
		`^\W*(janvier|février|mars|avril|mai|juin|juillet|août|(sept|nov|déc)embre|octobre)\W*$`)
	// passing is what is only said if a server is asked in the wrong moment.
	passing = regexp.MustCompile(`server \S+ cannot be used: server does not answer:\s+the server is being\s+reinstalled`)
	// timed is a paragraph that depends on the hour and the day of the week, in
	// more than its figures.
	timed = regexp.MustCompile(`^\s*(Can be applied now|Timetable|Deadlines|Cost)\b`)
)

// differ says which words only one of two outputs has.
func differ(want, got string) string {
	count := map[string]int{}
	for _, word := range plainWords(want) {
		count[word]--
	}
	for _, word := range plainWords(got) {
		count[word]++
	}
	var more, fewer []string
	for word, n := range count {
		if n > 0 {
			more = append(more, word)
		} else if n < 0 {
			fewer = append(fewer, word)
		}
	}
	if len(more)+len(fewer) == 0 {
		return ""
	}
	slices.Sort(more)
	slices.Sort(fewer)
	return fmt.Sprintf("there are more of %q and fewer of %q", more, fewer)
}

func plainWords(text string) []string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if timed.MatchString(paragraph) {
			continue
		}
		paragraph = passing.ReplaceAllString(paragraph, "")
		words := strings.FieldsFunc(paragraph, func(r rune) bool { return r == ' ' || r == '\n' || strings.ContainsRune("│┌┐└┘─", r) })
		for _, word := range words {
			switch bare := strings.Trim(word, "().,"); {
			case figure.MatchString(word), measure.MatchString(word), dated.MatchString(word), strings.HasSuffix(word, "…"):
			case bare == "blog", bare == "shop": // which one took longest is not the same each time
				out = append(out, "account")
			default:
				out = append(out, word)
			}
		}
	}
	return out
}
