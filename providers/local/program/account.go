package program

import (
	"encoding/hex"
	"path/filepath"

	"github.com/stopover/stopover/providers/local/description"
)

// Kind of a program.
type Kind string

// Kinds of programs.
const (
	Site    Kind = "site"    // listens on LISTEN_SOCKET; restarted when it ends
	Service Kind = "program" // restarted when it ends
	Task    Kind = "task"    // runs when its schedule says so
)

// Program is one program of an account.
type Program struct {
	Kind     Kind
	Name     string
	Command  []string // a first word without a slash is looked up in PATH; a relative one starts at home
	Schedule string   // tasks
	Problem  error    // why it cannot run; it is not started then
}

// Account is what has to be known to run the programs of an account.
type Account struct {
	Name      string
	Dir       string // directory of the account; its programs work in Dir/home
	UID, GID  int    // user to run as, if the server is root; 0: as the server
	Programs  []Program
	Path      string // PATH of the programs; default DefaultPath
	Databases string // default Dir/databases
	Mail      string // default Dir/mail
}

// DefaultPath is the PATH of programs that get no other.
const DefaultPath = "/usr/local/bin:/usr/bin:/bin"

// Describe turns the descriptions of a server, that lies in dir, and of an
// account into what is to run. A program whose runtime is missing has its
// Problem set.
func Describe(dir string, s *description.Server, a *description.Account) (Account, error) {
	at, err := description.AccountDir(dir, a.Name)
	if err != nil {
		return Account{}, err
	}
	if at, err = filepath.Abs(at); err != nil {
		return Account{}, err
	}
	out := Account{Name: a.Name, Dir: at, UID: a.UID, GID: a.Group()}
	add := func(p Program, runtime string, command []string) {
		p.Command, p.Problem = s.Command(dir, a, runtime, command)
		out.Programs = append(out.Programs, p)
	}
	if a.Site != nil && a.Site.Kind == description.SiteProgram {
		add(Program{Kind: Site, Name: "site"}, a.Site.Runtime, a.Site.Command)
	}
	for _, p := range a.Programs {
		add(Program{Kind: Service, Name: p.Name}, p.Runtime, p.Command)
	}
	for _, t := range a.Tasks {
		add(Program{Kind: Task, Name: t.Name, Schedule: t.Schedule}, t.Runtime, t.Command)
	}
	return out, nil
}

func (a *Account) home() string { return filepath.Join(a.Dir, description.HomeDir) }

// environment of the account's programs: this and nothing else.
func (a *Account) environment(machine string, p Program, socket string) []string {
	databases, mail, path := a.Databases, a.Mail, a.Path
	if databases == "" {
		databases = filepath.Join(a.Dir, description.DatabasesDir)
	}
	if mail == "" {
		mail = filepath.Join(a.Dir, description.MailDir)
	}
	if path == "" {
		path = DefaultPath
	}
	env := []string{
		"HOME=" + a.home(), "PATH=" + path, "ACCOUNT=" + a.Name, "DATABASES=" + databases, "MAIL=" + mail,
		markerName + marker(machine, a.Name),
		programName + programMarker(p.Kind, p.Name),
	}
	if p.Kind == Site {
		env = append(env, "LISTEN_SOCKET="+socket)
	}
	return env
}

// Variables that mark the processes of an account, with their "=".
const (
	markerName  = "STOPOVER_POCKET="
	programName = "STOPOVER_PROGRAM="
)

func marker(machine, account string) string {
	return machine + ":" + hex.EncodeToString([]byte(account))
}

func programMarker(k Kind, name string) string {
	return string(k) + ":" + hex.EncodeToString([]byte(name))
}
