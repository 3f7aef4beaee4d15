//go:build linux

package testbed

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// keepLogs is the syslog of a host: it writes what arrives at /dev/log where
// Debian's own daemon would, mail and authentication apart.
func keepLogs() {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: "/dev/log"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "syslog:", err)
		return
	}
	_ = os.Chmod("/dev/log", 0o666)
	name, _ := os.Hostname()
	b := make([]byte, 8<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		priority, text := splitPriority(string(b[:n]))
		line := text
		if stamp, rest, ok := cutStamp(text); ok {
			line = stamp + " " + name + " " + rest
		} else {
			line = time.Now().Format(time.Stamp) + " " + name + " " + line
		}
		appendLine(logOf(priority>>3), line)
	}
}

// splitPriority takes the <N> off a message; facility is N>>3.
func splitPriority(s string) (int, string) {
	if strings.HasPrefix(s, "<") {
		if head, rest, ok := strings.Cut(s[1:], ">"); ok {
			if p, err := strconv.Atoi(head); err == nil {
				return p, rest
			}
		}
	}
	return 13, s
}

func cutStamp(s string) (stamp, rest string, ok bool) {
	if len(s) < len(time.Stamp)+1 {
		return "", s, false
	}
	if _, err := time.Parse(time.Stamp, s[:len(time.Stamp)]); err != nil {
		return "", s, false
	}
	return s[:len(time.Stamp)], strings.TrimPrefix(s[len(time.Stamp):], " "), true
}

func logOf(facility int) string {
	switch facility {
	case 2:
		return "/var/log/mail.log"
	case 4, 10:
		return "/var/log/auth.log"
	case 9:
		return "/var/log/cron.log"
	default:
		return "/var/log/syslog"
	}
}

func appendLine(path, line string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return
	}
	defer f.Close()
	line = strings.ReplaceAll(strings.TrimRight(line, "\n\x00"), "\n", "#012")
	_, _ = f.WriteString(line + "\n")
}
