//go:build linux

package testbed

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// service is a daemon of a host: the directories it needs in /run, how it is
// started in the foreground, how it is asked to end, when it is ready.
type service struct {
	dirs  []runDir
	argv  func() ([]string, error)
	stop  syscall.Signal
	ready func() error
}

type runDir struct {
	path, owner, group string
	mode               os.FileMode
}

// AllServices are the services a host can run, in the order they start.
// Apache listens on port 8080, nginx on 80.
var allServices = []string{"sshd", "mariadb", "postgres", "dovecot", "exim", "nginx", "apache", "php-fpm", "cron"}

// AllServices names every service a host can run. Apache listens on port
// 8080, nginx on port 80, the others on their usual ones.
func AllServices() []string { return append([]string(nil), allServices...) }

func fixed(argv ...string) func() ([]string, error) {
	return func() ([]string, error) { return argv, nil }
}

// serviceOf knows the services by name. Nothing here depends on a release but
// what is found by looking.
func serviceOf(name string) (service, bool) {
	s, ok := map[string]service{
		"sshd": {
			dirs:  []runDir{{"/run/sshd", "root", "root", 0o755}},
			argv:  fixed("/usr/sbin/sshd", "-D", "-e"),
			stop:  syscall.SIGTERM,
			ready: greets("127.0.0.1:22", "SSH-", ""),
		},
		"mariadb": {
			dirs:  []runDir{{"/run/mysqld", "mysql", "root", 0o755}},
			argv:  fixed("/usr/sbin/mariadbd", "--user=mysql"),
			stop:  syscall.SIGTERM,
			ready: mariadbReady,
		},
		"postgres": {
			dirs:  []runDir{{"/run/postgresql", "postgres", "postgres", os.ModeSetgid | 0o775}},
			argv:  postgresArgv,
			stop:  syscall.SIGINT,
			ready: postgresReady,
		},
		"dovecot": {
			argv:  fixed("/usr/sbin/dovecot", "-F"),
			stop:  syscall.SIGTERM,
			ready: greets("127.0.0.1:143", "* OK", "a logout\r\n"),
		},
		"exim": {
			dirs:  []runDir{{"/run/exim4", "Debian-exim", "Debian-exim", 0o750}},
			argv:  fixed("/bin/sh", "-c", "update-exim4.conf && exec /usr/sbin/exim4 -bdf -q30m"),
			stop:  syscall.SIGTERM,
			ready: greets("127.0.0.1:25", "220 ", "QUIT\r\n"),
		},
		"nginx": {
			argv:  fixed("/usr/sbin/nginx", "-g", "daemon off;"),
			stop:  syscall.SIGTERM,
			ready: connects("tcp", "127.0.0.1:80"),
		},
		"apache": {
			dirs:  []runDir{{"/run/apache2", "root", "root", 0o755}, {"/run/lock/apache2", "www-data", "root", 0o755}},
			argv:  fixed("/bin/sh", "-c", ". /etc/apache2/envvars; exec /usr/sbin/apache2 -DFOREGROUND"),
			stop:  syscall.SIGTERM,
			ready: connects("tcp", "127.0.0.1:8080"),
		},
		"php-fpm": {
			dirs:  []runDir{{"/run/php", "www-data", "www-data", 0o755}},
			argv:  func() ([]string, error) { return newest("/usr/sbin/php-fpm*", "-F") },
			stop:  syscall.SIGTERM,
			ready: phpReady,
		},
		"cron": {
			argv:  fixed("/usr/sbin/cron", "-f"),
			stop:  syscall.SIGTERM,
			ready: cronReady,
		},
	}[name]
	return s, ok
}

// newest finds the program whose name ends in a version: a root has one.
func newest(pattern string, args ...string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no %s here", pattern)
	}
	return append([]string{found[len(found)-1]}, args...), nil
}

func postgresArgv() ([]string, error) {
	p, err := newest("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, err
	}
	version := filepath.Base(filepath.Dir(filepath.Dir(p[0])))
	// setpriv becomes the program it starts: the service keeps its pid.
	return []string{"/usr/bin/setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--",
		p[0], "-D", "/var/lib/postgresql/" + version + "/main",
		"-c", "config_file=/etc/postgresql/" + version + "/main/postgresql.conf"}, nil
}

func dial(network, address string) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, time.Second)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(time.Second))
	}
	return c, err
}

func connects(network, address string) func() error {
	return func() error {
		c, err := dial(network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// greets reads a greeting to its end and, if there is a farewell, says it and
// hears the other side out: a broken connection would be in its log.
func greets(address, with, farewell string) func() error {
	return func() error {
		c, err := dial("tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		r := bufio.NewReader(io.LimitReader(c, 4<<10))
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, with) {
			return fmt.Errorf("greeted with %q instead of %q", line, with)
		}
		if farewell == "" {
			return nil
		}
		if _, err := io.WriteString(c, farewell); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
}

// mariadbReady reads the greeting: packet header of four bytes, then the
// protocol version 10. A server that is starting or refuses says something
// else.
func mariadbReady() error {
	return greetsAt("/run/mysqld/mysqld.sock", 4, 10)
}

func greetsAt(socket string, skip int, want byte) error {
	c, err := dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, skip+1)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if b[skip] != want {
		return fmt.Errorf("%s greeted with %x", socket, b)
	}
	return nil
}

// postgresReady sends a startup message. A server that is still starting
// answers with the error 57P03; any other answer is one of a server that
// takes connections.
func postgresReady() error {
	c, err := dial("unix", "/run/postgresql/.s.PGSQL.5432")
	if err != nil {
		return err
	}
	defer c.Close()
	body := "\x00\x03\x00\x00user\x00nobody\x00\x00"
	message := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	if _, err := c.Write(append(message, body...)); err != nil {
		return err
	}
	b := make([]byte, 1024)
	n, err := c.Read(b)
	if err != nil {
		return err
	}
	if bytes.Contains(b[:n], []byte("57P03")) {
		return errors.New("still starting")
	}
	return nil
}

func phpReady() error {
	found, _ := filepath.Glob("/run/php/php*-fpm.sock")
	if len(found) == 0 {
		return errors.New("no socket in /run/php")
	}
	return connects("unix", found[0])()
}

func cronReady() error {
	b, err := os.ReadFile("/run/crond.pid")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, 0)
}
