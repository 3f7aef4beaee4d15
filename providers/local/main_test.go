package local_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local"
	"github.com/stopover/stopover/schema"
)

// The processes of the tests' pocket servers are this very test binary: what
// they run is local.Process, as the shipped program does, under the same race
// detector, with faults around what they say to each other. TestShipped does
// the same with the shipped program.
const surveyor = "STOPOVER_TEST_SURVEY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(surveyor); dir != "" {
		os.Exit(survey(dir))
	}
	if len(os.Args) == 3 && os.Args[1] == "pocket-server" {
		dir := strings.TrimPrefix(os.Args[2], "--dir=")
		os.Exit(local.Process{Dial: brittle{dir}.dial}.Main(dir))
	}
	code := m.Run()
	if dir := shipped.dir; dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// survey says what a survey by this process, which is another user's, finds.
func survey(dir string) int {
	s, err := local.Kind().Open(context.Background(), schema.Server{Name: "source", Provider: "local", Address: dir}, providers.Env{Executable: os.Args[0]})
	if err == nil {
		var f *schema.FoundServer
		if f, err = s.Survey(context.Background(), providers.SurveyOptions{}); err == nil {
			fmt.Printf("%s: %s\n", f.Presence, f.Error)
			return 0
		}
	}
	fmt.Println(err)
	return 1
}

// shipped is the program as it is shipped, built once when a test asks for it.
var shipped struct {
	once sync.Once
	dir  string
	err  error
}

func build(t *testing.T) string {
	t.Helper()
	shipped.once.Do(func() {
		if shipped.dir, shipped.err = os.MkdirTemp("", "stopover-shipped-"); shipped.err != nil {
			return
		}
		c := exec.Command("go", "build", "-o", filepath.Join(shipped.dir, "stopover"), "github.com/stopover/stopover/cmd/stopover")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			shipped.err = fmt.Errorf("build the program: %w: %s", err, out)
		}
	})
	if shipped.err != nil {
		t.Fatal(shipped.err)
	}
	return filepath.Join(shipped.dir, "stopover")
}

// cutExt is the file beside a server's directory that says after how many
// bytes the streams that it opens to peers break.
const cutExt = ".cut"

type brittle struct{ dir string }

var errCut = errors.New("the stream was cut by the test")

func (b brittle) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := local.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(b.dir + cutExt)
	if err != nil {
		return c, nil
	}
	n, err := strconv.Atoi(string(text))
	return &cutting{Conn: c, left: n}, err
}

type cutting struct {
	net.Conn
	left int
}

func (c *cutting) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.Join(errCut, c.Conn.Close())
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
