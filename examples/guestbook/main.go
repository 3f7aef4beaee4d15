// Guestbook is a small web application as an account may have one: visitors
// write entries, which are kept in an SQLite database and as files. It listens
// on the Unix socket LISTEN_SOCKET and keeps its data in DATABASES and HOME.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Getenv("LISTEN_SOCKET"), os.Getenv("DATABASES"), os.Getenv("HOME"), os.Getenv("ACCOUNT")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, socket, databases, home, title string) error {
	if socket == "" || databases == "" || home == "" {
		return errors.New("guestbook: set LISTEN_SOCKET, DATABASES and HOME")
	}
	book, err := openBook(ctx, filepath.Join(databases, "guestbook.sqlite"), filepath.Join(home, "entries"))
	if err != nil {
		return fmt.Errorf("guestbook: %w", err)
	}
	defer book.close()
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("guestbook: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("guestbook: %w", err)
	}
	server := &http.Server{Handler: newSite(book, title), ReadHeaderTimeout: 30 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(late)
	}()
	log.Printf("guestbook of %q listens on %s", title, socket)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("guestbook: %w", err)
	}
	return <-stopped
}
