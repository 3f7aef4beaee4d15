// Package linux is the provider of real servers: Linux machines that are reached
// over SSH. This part of it looks and tries. It changes nothing on a server but
// the file of its own agent, and scratch databases on the one that trials run on.
package linux

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/schema"
	"github.com/stopover/stopover/schema/layout"
)

// kindName is what configurations call this kind of server.
const kindName = "linux"

// Kind is what the program knows of Linux servers before it opens one.
func Kind() providers.Kind {
	return providers.Kind{
		Name: kindName,
		Doc: "Linux servers that are reached over SSH, as root or by sudo. This version looks at them and tries their databases; it does not move their accounts yet. " +
			"`address` is a host name, an address, or a Host of the SSH client's configuration.",
		Options: options(),
		Address: providers.Option{Name: "address", Type: "string", Required: true, Example: "10.0.0.10",
			Doc: "Host name or address, with which the SSH server is reached, or a Host of the SSH client's configuration."},
		Can:      can(),
		Cannot:   cannot(),
		Findings: findings(),
		Open:     open,
	}
}

// options are those of a server, in the order in which people need them.
func options() []providers.Option {
	return append(loginOptions(), lookOptions()...)
}

func loginOptions() []providers.Option {
	return []providers.Option{
		{Name: "user", Type: "string", Doc: "Who logs in. Where that is not root, it needs sudo.", Default: "as in the SSH client's configuration, then root", Example: `"admin"`},
		{Name: "port", Type: "number", Doc: "Port of the SSH server.", Default: "as in the SSH client's configuration, then 22", Example: "22"},
		{Name: "identity_file", Type: "string", Doc: "Private key to log in with, instead of those that the SSH client would take.", Example: `"~/.ssh/id_ed25519"`},
		{Name: "certificate_file", Type: "string", Doc: "Certificate of that key, where it does not lie beside it as KEY-cert.pub.", Example: `"~/.ssh/id_ed25519-cert.pub"`},
		{Name: "known_hosts", Type: "string", Doc: "File with the keys of servers that are trusted. A key that is not in it is refused.", Default: "those of the SSH client", Example: `"~/.ssh/known_hosts"`},
		{Name: "ssh_config", Type: "string", Doc: "Configuration of the SSH client: Host, HostName, Port, User, IdentityFile, ProxyJump and others are read of it. \"none\": no such file is read.", Default: "~/.ssh/config", Example: `"~/.ssh/config"`},
		{Name: "proxy_jump", Type: "string", Doc: "Servers to go through, as [user@]host[:port] with commas between them. \"none\": straight, whatever the SSH client's configuration says.", Example: `"admin@gate.example.org"`},
		{Name: "use_agent", Type: "bool", Doc: "Offer the keys of the ssh-agent, if there is one.", Default: "true", Example: "false"},
		{Name: "passphrase", Type: "string", Secret: true, Doc: "Passphrase of the private key."},
		{Name: "password", Type: "string", Secret: true, Doc: "Password of the user, where keys do not do."},
		{Name: "sudo", Type: "bool", Doc: "Become root by sudo, where the user is not root.", Default: "true", Example: "false"},
		{Name: "sudo_password", Type: "string", Secret: true, Doc: "What sudo asks for.", Default: "the password"},
		{Name: "connect_timeout", Type: "duration", Doc: "How long reaching the server and logging in may take.", Default: "20s", Example: `"20s"`},
		{Name: "agent_dir", Type: "string", Doc: "Directory on the server in which Stopover's agent lies. It is made for root alone; its file system must let programs run.", Default: agentDir, Example: `"/opt/stopover/agent"`},
	}
}

func lookOptions() []providers.Option {
	return []providers.Option{
		{Name: "layout", Type: "layout", Doc: "Where accounts, mail, sites and databases are on the server: a built-in layout or one of the configuration.", Default: layout.Default, Example: `"debian"`},
		{Name: "survey_age", Type: "duration", Doc: "How old what was seen of the server may be when it is used again. 0s: it is looked at every time. `apply`, and every command with --refresh, look at it whatever is remembered.", Default: "15m", Example: `"1h"`},
		{Name: "survey_timeout", Type: "duration", Doc: "How long a survey may take, putting the agent on the server included. A server that answers and does not get on is given up then; the others are told all the same.", Default: "1h", Example: "20m"},
		{Name: "read_limit", Type: "bytes", Doc: "How much of files the agent reads in a second at most. 0: as much as it can; it works with the lowest priority in any case.", Default: "0", Example: `"20MB"`},
		{Name: "names", Type: "string", Doc: "Host names and addresses that are the server's own besides those it knows of, separated by spaces: where files of accounts name one is found.", Example: `"client.example.org 192.0.2.10"`},
		{Name: "mariadb_user", Type: "string", Doc: "User of MariaDB or MySQL who may see everything, where root cannot by its socket.", Example: `"stopover"`},
		{Name: "mariadb_password", Type: "string", Secret: true, Doc: "Password of that user."},
		{Name: "postgres_user", Type: "string", Doc: "Role of PostgreSQL that may see everything, where the layout's user cannot by its socket.", Example: `"stopover"`},
		{Name: "postgres_password", Type: "string", Secret: true, Doc: "Password of that role."},
	}
}

func open(_ context.Context, s schema.Server, env providers.Env) (providers.Server, error) {
	if s.Address == "" {
		return nil, fmt.Errorf("server %s: a Linux server needs an address: how the SSH server is reached", schema.QuoteName(s.Name))
	}
	o, err := readOptions(s, env)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", schema.QuoteName(s.Name), err)
	}
	return newServer(s, o, env, &remote{address: s.Address, options: o, executable: env.Executable}, time.Now), nil
}

// errOption is wrapped by what is wrong with an option, or with what it names.
var errOption = errors.New("option")
