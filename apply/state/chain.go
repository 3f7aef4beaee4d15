package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A segment is a file that only grows: a header and one event a line, each line
// ending in a checksum over itself and the checksum of the line before. Each
// process that appends has a segment of its own. So none ever waits for
// another, one that is stopped in the middle of an append stops nobody, and a
// line cut short can only be a segment's last.

// formatName and formatVersion begin every file of a store. A higher version
// is refused, so that an old program cannot misread a new journal.
const (
	formatName    = "stopover journal"
	formatVersion = 1
	maxSegment    = 256 << 20 // bytes; more is refused rather than read
)

// header is the first line of a segment.
type header struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Lineage string          `json:"lineage"`
	Seen    map[string]head `json:"seen,omitempty"` // ends of earlier segments that no other segment names
}

// head is how far a segment went when another one began.
type head struct {
	Lines int    `json:"lines"`
	Sum   string `json:"sum"`
}

const (
	sumKey    = `,"sum":"`
	sumEnd    = `"}`
	sumLength = sha256.Size * 2
)

// seal makes a line of a JSON object and returns the checksum that the next
// line builds on.
func seal(prev string, v any) (line []byte, sum string, err error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // values of facts are kept as they came
	if err := e.Encode(v); err != nil {
		return nil, "", err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
	sum = chain(prev, body)
	line = append(line, body[:len(body)-1]...)
	line = append(line, sumKey...)
	line = append(line, sum...)
	line = append(line, sumEnd...)
	return append(line, '\n'), sum, nil
}

// unseal checks a line, without its newline, and returns the object in it.
func unseal(prev string, line []byte) (body []byte, sum string, err error) {
	tail := len(sumKey) + sumLength + len(sumEnd)
	cut := len(line) - tail
	if cut < 1 || string(line[cut:cut+len(sumKey)]) != sumKey || string(line[len(line)-len(sumEnd):]) != sumEnd {
		return nil, "", fmt.Errorf("it does not end in a checksum")
	}
	sum = string(line[cut+len(sumKey) : len(line)-len(sumEnd)])
	body = append(append(body, line[:cut]...), '}')
	if chain(prev, body) != sum {
		return nil, "", fmt.Errorf("its checksum does not match")
	}
	return body, sum, nil
}

func chain(prev string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(prev))
	h.Write([]byte{'\n'})
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// segment is what was read of one file.
type segment struct {
	header header
	events []Event
	heads  []string // checksum of each line, the header's first
	cut    bool     // the last line was cut short and is left out
}

// readSegment checks a whole segment. An empty segment, or one whose header was
// cut short, has no header and no events.
func readSegment(path string, data []byte) (*segment, error) {
	s := &segment{}
	if len(bytes.Trim(data, "\x00")) == 0 { // what a power cut leaves of a file that was not synced yet
		s.cut = len(data) > 0
		return s, nil
	}
	lines := bytes.SplitAfter(data, []byte{'\n'})
	if n := len(lines); len(lines[n-1]) == 0 {
		lines = lines[:n-1]
	}
	for i, line := range lines {
		last := i == len(lines)-1
		if last && !bytes.HasSuffix(line, []byte{'\n'}) {
			if i == 0 && !beginsLikeHeader(line) {
				return nil, &CorruptError{Path: path, Why: "it is not a journal of Stopover"}
			}
			s.cut = true
			break
		}
		if err := s.take(path, i, line[:len(line)-1]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// beginsLikeHeader tells a header that a crash cut short from a file that
// somebody else put there. Anything up to the format's name may be all there is.
func beginsLikeHeader(line []byte) bool {
	want := `{"format":` + strconv.Quote(formatName)
	got := string(line)
	return strings.HasPrefix(want, got) || strings.HasPrefix(got, want)
}

func (s *segment) take(path string, i int, line []byte) error {
	prev := ""
	if i > 0 {
		prev = s.heads[i-1]
	}
	if i == 0 && !beginsLikeHeader(line) {
		return &CorruptError{Path: path, Why: "it is not a journal of Stopover"}
	}
	body, sum, err := unseal(prev, line)
	if err != nil {
		return &CorruptError{Path: path, Line: i + 1, Why: err.Error()}
	}
	if i == 0 {
		err = json.Unmarshal(body, &s.header)
	} else {
		s.events = append(s.events, Event{})
		err = json.Unmarshal(body, &s.events[i-1])
	}
	if err != nil {
		return &CorruptError{Path: path, Line: i + 1, Why: err.Error()}
	}
	if s.header.Version > formatVersion {
		return fmt.Errorf("read journal %s: it was written by a newer Stopover (format %d, this one knows %d); use that version", path, s.header.Version, formatVersion)
	}
	s.heads = append(s.heads, sum)
	return nil
}
