package linux

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/providers/linux/deploy"
	"github.com/stopover/stopover/providers/linux/ssh"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/layout"
)

// What holds where a server does not say.
const (
	rootUser  = "root"
	agentDir  = deploy.Dir
	surveyAge = 15 * time.Minute
	// surveyTimeout is how long a survey may take.
	surveyTimeout = time.Hour
	none          = ssh.None // switches off what would be taken of the SSH client
)

// settings are the options of one server, read.
type settings struct {
	user, identity, certificate, knownHosts, sshConfig, jump string
	port                                                     int
	useAgent, sudo                                           bool
	connect, age, limit                                      time.Duration
	agentDir                                                 string
	layout                                                   schema.Layout
	reads                                                    int64
	names                                                    []string
	// References to secrets, as the configuration has them, by option.
	secrets map[string]string
	// engines are the users that are asked as, by engine, with the option that
	// refers to the password.
	engines map[string]engineUser
}

type engineUser struct{ user, password string }

// readOptions reads what hclfile checked for its form. What it cannot know is
// checked here.
func readOptions(s schema.Server, env providers.Env) (settings, error) {
	r := optionReader{options: s.Options, dir: env.Dir}
	out := settings{
		user:     r.text("user", ""),
		identity: r.file("identity_file"), certificate: r.file("certificate_file"), knownHosts: r.file("known_hosts"), sshConfig: r.file("ssh_config"),
		jump:     r.text("proxy_jump", ""),
		port:     int(r.number("port", 0, 65535)),
		useAgent: r.flag("use_agent", true), sudo: r.flag("sudo", true),
		connect: r.duration("connect_timeout", 0), age: r.duration("survey_age", surveyAge), limit: r.duration("survey_timeout", surveyTimeout),
		agentDir: r.text("agent_dir", agentDir),
		reads:    r.number("read_limit", 0, 1<<62),
		names:    strings.Fields(r.text("names", "")),
		secrets:  map[string]string{},
		engines:  map[string]engineUser{},
	}
	if out.limit == 0 {
		r.wrong("survey_timeout", "0s", "leaves no time for a survey")
	}
	if !path.IsAbs(out.agentDir) || path.Clean(out.agentDir) != out.agentDir || out.agentDir == "/" {
		r.wrong("agent_dir", out.agentDir, "is not the absolute path of a directory of its own")
	}
	for _, o := range options() {
		if ref := s.Options[o.Name]; o.Secret && ref != "" {
			out.secrets[o.Name] = ref
		}
	}
	r.engine(&out, "mariadb_user", "mariadb_password", "mariadb", "mysql")
	r.engine(&out, "postgres_user", "postgres_password", "postgresql")
	name := r.text("layout", layout.Default)
	i := slices.IndexFunc(env.Layouts, func(l schema.Layout) bool { return l.Name == name })
	if i < 0 {
		r.wrong("layout", name, "is a layout that nobody knows")
		return out, r.err
	}
	out.layout = env.Layouts[i]
	out.layout.Pos = schema.Pos{}
	return out, r.err
}

// optionReader reads options; the first that is wrong is kept.
type optionReader struct {
	options map[string]string
	dir     string
	err     error
}

func (r *optionReader) wrong(name, value, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w %s: %q %s", errOption, name, value, why)
	}
}

func (r *optionReader) text(name, standard string) string {
	v, ok := r.options[name]
	switch {
	case !ok || v == "":
		return standard
	case strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.wrong(name, v, "holds control characters")
	}
	return v
}

// file is the path of a file where Stopover runs: relative to the configuration,
// unless it begins at the root or at somebody's home.
func (r *optionReader) file(name string) string {
	v := r.text(name, "")
	if v == "" || v == none || strings.HasPrefix(v, "~") || filepath.IsAbs(v) {
		return v
	}
	// A % in the directory's own name is no abbreviation of ssh_config(5).
	return filepath.Join(strings.ReplaceAll(r.dir, "%", "%%"), v)
}

func (r *optionReader) number(name string, standard, most int64) int64 {
	v := r.text(name, "")
	if v == "" {
		return standard
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > most {
		r.wrong(name, v, fmt.Sprintf("is not a whole number from 0 to %d", most))
	}
	return n
}

func (r *optionReader) flag(name string, standard bool) bool {
	v := r.text(name, "")
	if v == "" {
		return standard
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.wrong(name, v, "is neither true nor false")
	}
	return b
}

func (r *optionReader) duration(name string, standard time.Duration) time.Duration {
	v := r.text(name, "")
	if v == "" {
		return standard
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		r.wrong(name, v, "is not a duration")
	}
	return d
}

// engine reads who is asked as. A password needs a user.
func (r *optionReader) engine(s *settings, user, password string, engines ...string) {
	u := r.text(user, "")
	if u == "" {
		if s.secrets[password] != "" {
			r.wrong(password, s.secrets[password], "is the password of nobody: write "+user+" too")
		}
		return
	}
	for _, e := range engines {
		s.engines[e] = engineUser{u, password}
	}
}

// reveal resolves the secret that an option refers to; "" if it refers to none.
// What went wrong names the option and the reference, never a value.
func (s *settings) reveal(ctx context.Context, env providers.Env, option string) (string, error) {
	ref := s.secrets[option]
	if ref == "" {
		return "", nil
	}
	if env.Secret == nil {
		return "", fmt.Errorf("%w %s: there is nothing that could look %s up", errOption, option, ref)
	}
	v, err := env.Secret(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%w %s: %w", errOption, option, err)
	}
	return v, nil
}

// logins are the users of engines with their passwords.
func (s *settings) logins(ctx context.Context, env providers.Env) (map[string]agent.EngineLogin, error) {
	out := map[string]agent.EngineLogin{}
	for engine, u := range s.engines {
		password, err := s.reveal(ctx, env, u.password)
		if err != nil {
			return nil, err
		}
		out[engine] = agent.EngineLogin{User: u.user, Password: password}
	}
	return out, nil
}
