package schema

import "time"

// User is the user of the machine behind an account.
type User struct {
	GID      int      `json:"gid"`
	Group    string   `json:"group,omitempty"`
	Groups   []string `json:"groups,omitempty"` // others that it is a member of
	Home     string   `json:"home"`
	Mode     uint32   `json:"mode,omitempty"` // permission bits of the home
	HomeUID  int      `json:"home_uid"`       // who owns the home
	Shell    string   `json:"shell,omitempty"`
	Password string   `json:"password,omitempty"` // set | locked | none | unknown; the hash itself is never read out
	Scheme   string   `json:"scheme,omitempty"`   // of the hash: yescrypt, sha512, …
	Keys     []Key    `json:"keys,omitempty"`     // authorized_keys
	Quota    *Quota   `json:"quota,omitempty"`    // of the file system
	Logins   []Login  `json:"logins,omitempty"`   // further users for SSH and FTP that share the home or lie in it
	LastUsed string   `json:"last_used,omitempty"`
}

// Key is one line of authorized_keys.
type Key struct {
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	Comment     string `json:"comment,omitempty"`
	Options     string `json:"options,omitempty"` // from=, command=, …
	Line        int    `json:"line"`
}

// Quota is a quota of the file system, in bytes and inodes; 0: none.
type Quota struct {
	Soft       int64 `json:"soft,omitempty"`
	Hard       int64 `json:"hard,omitempty"`
	SoftInodes int64 `json:"soft_inodes,omitempty"`
	HardInodes int64 `json:"hard_inodes,omitempty"`
}

// Login is a further user of an account.
type Login struct {
	Kind string `json:"kind"` // ssh | ftp
	Name string `json:"name"`
	Home string `json:"home,omitempty"`
}

// Mailbox is one mailbox (Maildir) of an account. Its Bytes are those of all
// regular files below Path, each once: what a copy of it takes.
type Mailbox struct {
	Address  string       `json:"address"`           // user@domain, or the name of the system's user
	Path     string       `json:"path"`              // on the machine: "/home/shop/Maildir"
	Virtual  bool         `json:"virtual,omitempty"` // its user is not one of the machine
	Messages int64        `json:"messages"`
	Bytes    int64        `json:"bytes"`
	Folders  []MailFolder `json:"folders,omitempty"`
	UIDL     string       `json:"uidl,omitempty"` // how the server makes POP3 ids: its format
	// Sieve are the filters: path below Path or the home, and whether it is the active one.
	Sieve []Sieve `json:"sieve,omitempty"`
	Quota int64   `json:"quota,omitempty"` // bytes; 0: none
}

// MailFolder is one folder of a mailbox.
type MailFolder struct {
	Name        string `json:"name"` // INBOX, or as on disk without the dot before it
	Messages    int64  `json:"messages"`
	Bytes       int64  `json:"bytes"` // of its messages; one that lies in two folders counts in both
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UIDNext     uint32 `json:"uidnext,omitempty"`
}

// Sieve is one filter script.
type Sieve struct {
	Path     string   `json:"path"`
	Active   bool     `json:"active,omitempty"`
	Requires []string `json:"requires,omitempty"` // extensions that it names
}

// Pool is one PHP-FPM pool.
type Pool struct {
	Name     string            `json:"name"`
	PHP      string            `json:"php"` // line: "8.2"
	User     string            `json:"user,omitempty"`
	Listen   string            `json:"listen,omitempty"`
	File     string            `json:"file"`
	Settings map[string]string `json:"settings,omitempty"` // php_value and the like
}

// Service is a program that an init system keeps running.
type Service struct {
	Name    string `json:"name"` // "app.service"
	User    string `json:"user,omitempty"`
	Command string `json:"command,omitempty"`
	File    string `json:"file,omitempty"`
	Enabled bool   `json:"enabled,omitempty"`
	Running bool   `json:"running,omitempty"`
	Type    string `json:"type,omitempty"` // simple, forking, … as the unit says
}

// Timer is a timer of the init system, or a line of a crontab.
type Timer struct {
	Name     string `json:"name"`     // unit, or path of the crontab with the line: "/etc/cron.d/shop:3"
	Schedule string `json:"schedule"` // five fields or @macro; a timer's own expression
	Command  string `json:"command"`
	User     string `json:"user,omitempty"`
}

// Environment is something that was built for one version of a runtime.
type Environment struct {
	Kind    string `json:"kind"`              // venv | node | composer | bundler | user-packages
	Path    string `json:"path"`              // below the home
	Runtime string `json:"runtime,omitempty"` // python, nodejs, php, ruby
	Version string `json:"version,omitempty"` // that it was made with, or asks for: "3.11.2", ">=8.1"
	Home    string `json:"home,omitempty"`    // venv: where its interpreter lies
	// Needs are extensions of the runtime that it asks for: ext-intl → "intl".
	Needs []string `json:"needs,omitempty"`
	Tool  string   `json:"tool,omitempty"` // and its generation: "composer 1"
}

// Binary is a program or library of an account for the machine itself.
type Binary struct {
	Path        string   `json:"path"` // below the home
	Arch        string   `json:"arch"` // as Go names it
	Interpreter string   `json:"interpreter,omitempty"`
	Needs       []string `json:"needs,omitempty"`    // sonames
	Own         []string `json:"own,omitempty"`      // of Needs: found beside it by its RPATH or RUNPATH
	Missing     []string `json:"missing,omitempty"`  // of Needs: not found on this server either
	Versions    []string `json:"versions,omitempty"` // highest symbol versions that it needs: "GLIBC_2.36"
	// Module says what it is loaded by: php (an extension), apache, python, node; empty: itself or other programs.
	Module string `json:"module,omitempty"`
	API    string `json:"api,omitempty"` // PHP extension: the API that it was built for
}

// Line is a place in a file that says something which ties an account to where
// it is.
type Line struct {
	// Kind: shebang, version-variable, runtime-path, versioned-binary, htaccess,
	// apache-module, php-ini, listen, tmp, log-reader, sql-mode, composer,
	// drupal, localhost-service, auto-prepend, …
	Kind string `json:"kind"`
	Path string `json:"path"` // below the home, or absolute
	Line int    `json:"line,omitempty"`
	What string `json:"what"`           // the word that counts: "python3.9", "Order allow,deny", "0.0.0.0:8080"
	Note string `json:"note,omitempty"` // runtime and version, or what it is for
}

// Client is somebody who was seen using a service of the account, by the logs.
type Client struct {
	Service string    `json:"service"` // imap | pop3 | smtp | ftp | mariadb | postgresql
	User    string    `json:"user"`
	Address string    `json:"address"`
	Plain   bool      `json:"plain,omitempty"` // without encryption
	Version string    `json:"version,omitempty"`
	Last    time.Time `json:"last,omitzero"`
	Times   int64     `json:"times"`
}
