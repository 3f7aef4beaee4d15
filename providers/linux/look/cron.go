//go:build linux

package look

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// cronLine is one line of a crontab that runs something, or sets a variable.
type cronLine struct {
	file     string
	line     int
	schedule string
	user     string
	command  string
	name     string // of a variable; its value is in command
	shared   bool   // the file has lines of several users
}

// parseCrontab reads a crontab as Vixie's cron does. With column there is a user
// in front of the command, as in /etc/crontab; else all are user's.
func parseCrontab(file string, text []byte, user string, column bool) (list []cronLine) {
	lines(text, func(n int, line string) bool {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return true
		}
		if k, v, ok := cronVariable(line); ok {
			list = append(list, cronLine{file: file, line: n, user: user, name: k, command: v, shared: column})
			return len(list) < 10_000
		}
		schedule, rest, ok := cronSchedule(line)
		if !ok {
			return true
		}
		c := cronLine{file: file, line: n, schedule: schedule, user: user, command: strings.TrimSpace(rest), shared: column}
		if column {
			c.user, rest = nextWord(rest)
			c.command = strings.TrimSpace(rest)
		}
		if c.command != "" {
			list = append(list, c)
		}
		return len(list) < 10_000
	})
	return list
}

// cronVariable reads NAME = value: a name, then an equals sign.
func cronVariable(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	if len(name) > 1 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = name[1 : len(name)-1]
	}
	if !ok || name == "" || strings.ContainsAny(name, " \t*/@") {
		return "", "", false
	}
	value = strings.TrimSpace(value)
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		value = value[1 : len(value)-1]
	}
	return name, value, true
}

// cronSchedule takes the times from the beginning of a line: five fields, or a
// word behind @.
func cronSchedule(line string) (schedule, rest string, ok bool) {
	line = strings.TrimPrefix(line, "-") // SUSE: without a line in the log
	if line != "" && line[0] == '@' {
		word, rest := nextWord(line)
		switch strings.ToLower(word) {
		case "@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
			return strings.ToLower(word), rest, true
		}
		return "", "", false
	}
	var fields []string
	for range 5 {
		var w string
		if w, line = nextWord(line); w == "" || strings.Trim(w, "0123456789*/,-~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return "", "", false
		}
		fields = append(fields, w)
	}
	return strings.Join(fields, " "), line, true
}

func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// crontabs reads every crontab of the layout and tells accounts of theirs.
func (s *running) crontabs() {
	for _, pattern := range s.w.layout.Crontabs {
		own := strings.Contains(pattern, "{account}")
		for _, file := range s.r.glob(strings.ReplaceAll(pattern, "{account}", "*")) {
			if own && strings.HasPrefix(filepath.Base(file), "tmp.") || !own && !s.cronReads(file) {
				continue
			}
			text, err := s.r.read(file, smallFile)
			if err != nil && len(text) == 0 {
				continue
			}
			user := ""
			if own {
				user = filepath.Base(file)
			}
			s.cron = append(s.cron, parseCrontab(file, text, user, !own)...)
			if len(s.cron) > 200_000 {
				return
			}
		}
	}
	for _, c := range s.cron {
		s.placeCron(c)
	}
}

// cronReads says whether cron reads a file of /etc/cron.d: Debian's leaves out
// names with a dot, as editors and dpkg leave them behind.
func (s *running) cronReads(file string) bool {
	name := filepath.Base(file)
	if !s.r.exists("/var/lib/dpkg") || filepath.Dir(file) == "/etc" {
		return !strings.HasSuffix(name, "~") && !strings.HasPrefix(name, ".")
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// placeCron hands a line to the account that it runs as or whose program it
// runs; another one is the server's own.
func (s *running) placeCron(c cronLine) {
	a := s.byUser(c.user)
	if a == nil {
		a = s.byCommand(c.command)
	}
	at := c.file + ":" + strconv.Itoa(c.line)
	switch {
	case c.name != "" && a != nil && s.byUser(c.user) == a:
		if len(a.Lines) < 10_000 {
			a.Lines = append(a.Lines, schema.Line{Kind: "cron-variable", Path: c.file, Line: c.line, What: c.name + "=" + clip(shown(c.name, c.command), maxCommand)})
		}
	case c.name != "":
		s.ownCron(c, c.name, clip(shown(c.name, c.command), maxCommand))
	case a == nil:
		s.ownCron(c, command(c.command), c.schedule+" "+c.user)
	case len(a.Timers) >= 5000:
		a.truncated("timers")
	default:
		a.Timers = append(a.Timers, schema.Timer{Name: at, Schedule: c.schedule, Command: command(c.command), User: c.user})
		a.Tasks = append(a.Tasks, schema.Task{Name: at, Schedule: c.schedule})
		if c.shared && c.file != "/etc/crontab" && s.byUser(c.user) == a {
			a.other(c.file)
		}
		s.uses(a, "task "+at, c.command)
	}
}

// ownCron keeps a line that is the server's own among its settings.
func (s *running) ownCron(c cronLine, what, value string) {
	if len(s.w.server.System.Settings) < maxSettings {
		s.w.server.System.Settings = append(s.w.server.System.Settings, schema.Setting{
			Service: "cron", Key: c.file + " " + what[:min(len(what), 500)], Value: strings.TrimSpace(value), File: c.file, Line: c.line,
		})
	}
}

// byCommand is the account in whose home a program lies that a command runs: the
// first path of the command that is in one.
func (s *running) byCommand(command string) *account {
	for i, w := range strings.FieldsFunc(command, func(c rune) bool { return strings.ContainsRune(" \t;|&<>()'\"=`", c) }) {
		if i > 64 {
			break
		}
		if strings.HasPrefix(w, "/") {
			if a := s.inHome(filepath.Clean(w)); a != nil {
				return a
			}
		}
	}
	return nil
}

// uses notes the runtime that a command is run by, if it names one.
func (s *running) uses(a *account, by, command string) string {
	for i, w := range strings.FieldsFunc(command, func(c rune) bool { return strings.ContainsRune(" \t;|&()'\"", c) }) {
		if i > 12 {
			break
		}
		if name, version := s.interpreter(filepath.Base(w)); name != "" && s.inHome(filepath.Clean("/"+w)) == nil {
			a.use(schema.RuntimeUse{Name: name, Version: version, By: by})
			return name + " " + version
		}
	}
	return ""
}

// interpreter is the runtime that the name of a program stands for: with the
// version that the name says, or that of the machine's program of that name.
func (s *running) interpreter(program string) (name, version string) {
	if line, ok := strings.CutPrefix(program, "php"); ok && phpLine.MatchString(line) {
		return "php", line
	}
	for _, p := range s.w.server.System.Programs {
		if p.Name == program {
			if program == "php" {
				return "php", versionLine(p.Version, 2)
			}
			return runtimeOf(p)
		}
	}
	if pythonName.MatchString(program) { // of a version that is not there
		return "python", strings.TrimPrefix(program, "python")
	}
	if line, ok := strings.CutPrefix(program, "ruby"); ok && phpLine.MatchString(line) {
		return "ruby", line
	}
	return "", ""
}
