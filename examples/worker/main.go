// Worker is a program of an account that works all the time, as queue workers
// and mail filters do: it appends to a log, writes files, inserts rows and flags
// mail as read. What it has done durably it notes in an append-only file outside
// of the account, given by --ack or ACK_FILE, one JSON object per line: whoever
// reads that file knows what must never be lost or be there twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	ack := flag.String("ack", os.Getenv("ACK_FILE"), "append what was done to this `file`")
	every := flag.Duration("every", 50*time.Millisecond, "pause between two rounds")
	rounds := flag.Int("rounds", 0, "end after so many rounds (0: never)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *ack, *every, *rounds); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, ack string, every time.Duration, rounds int) error {
	home, databases, mail := os.Getenv("HOME"), os.Getenv("DATABASES"), os.Getenv("MAIL")
	if ack == "" || home == "" || databases == "" {
		return errors.New("worker: set ACK_FILE (or --ack), HOME and DATABASES")
	}
	acks, err := openNotes(ack)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer acks.close()
	w, err := newWorker(ctx, home, filepath.Join(databases, "worker.sqlite"), mail)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer w.close()
	for round := 1; rounds == 0 || round <= rounds; round++ {
		for _, do := range []func(context.Context, *notes) error{w.appendLine, w.writeFile, w.insertRow, w.flagMail} {
			if err := do(ctx, acks); err != nil && ctx.Err() == nil {
				log.Print(err) // a full disk or a locked database pass
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
	return nil
}
