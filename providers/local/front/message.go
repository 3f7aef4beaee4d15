package front

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/emersion/go-smtp"
)

// spoolFrom is the size in bytes from which a message is kept in a file while
// it is received.
const spoolFrom = 256 << 10

// message is a message that was received and belongs to nobody yet.
type message struct {
	small []byte
	file  *os.File // the rest after small, without a name
	size  int64
}

// receive reads a message to its end. Its errors are SMTP answers.
func (f *Front) receive(r io.Reader) (*message, error) {
	small, err := io.ReadAll(io.LimitReader(r, spoolFrom))
	if err != nil {
		return nil, receiveError(err)
	}
	m := &message{small: small, size: int64(len(small))}
	if len(small) < spoolFrom {
		return m, nil
	}
	m.file, err = os.CreateTemp(f.options.SpoolDir, "stopover-mail-")
	if err != nil {
		f.log.Error("spool mail", "error", err)
		return nil, answer(451, smtp.EnhancedCode{4, 3, 0}, "the message cannot be received at the moment, try again later")
	}
	_ = os.Remove(m.file.Name()) // goes away with us, however we end
	n, err := io.Copy(m.file, r)
	m.size += n
	if err != nil {
		m.close()
		return nil, receiveError(err)
	}
	return m, nil
}

func receiveError(err error) error {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e // too large, a line too long
	}
	return answer(451, smtp.EnhancedCode{4, 3, 0}, "the message was not received completely, try again later")
}

// reader reads the message from its beginning; one reader at a time.
func (m *message) reader() (io.Reader, error) {
	if m.file == nil {
		return bytes.NewReader(m.small), nil
	}
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.MultiReader(bytes.NewReader(m.small), m.file), nil
}

func (m *message) close() {
	if m.file != nil {
		_ = m.file.Close()
	}
}
