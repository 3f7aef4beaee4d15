package front

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stopover/stopover/providers/local/description"
)

// typeOf does not ask the machine's own tables: a site shows the same types on
// whatever server it is.
func typeOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".txt", ".md", ".log":
		return "text/plain; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".xml":
		return "text/xml; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".pdf":
		return "application/pdf"
	case ".wasm":
		return "application/wasm"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".avif":
		return "image/avif"
	case ".ico":
		return "image/x-icon"
	case ".woff":
		return "font/woff"
	case ".woff2":
		return "font/woff2"
	case ".mp3":
		return "audio/mpeg"
	case ".mp4":
		return "video/mp4"
	case ".webm":
		return "video/webm"
	}
	return "" // net/http looks at the content
}

// serveFile answers from the files below the site's root in the account's home.
// Links may lead to anywhere in the home, and nowhere else.
func (f *Front) serveFile(w http.ResponseWriter, r *http.Request, in admission) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This site has files only.", http.StatusMethodNotAllowed)
		return
	}
	home, err := os.OpenRoot(filepath.Join(in.account.Dir, description.HomeDir))
	if err != nil {
		f.fileError(w, r, in, err)
		return
	}
	defer home.Close()
	name := path.Clean("/" + r.URL.Path)
	if strings.ContainsRune(name, 0) {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	file, info, err := openFile(home, path.Join(in.account.Site.Root, name))
	if err == nil && info.IsDir() {
		file.Close()
		if !strings.HasSuffix(r.URL.Path, "/") {
			redirectToFolder(w, r, name)
			return
		}
		file, info, err = openFile(home, path.Join(in.account.Site.Root, name, "index.html"))
	}
	if err != nil {
		f.fileError(w, r, in, err)
		return
	}
	defer file.Close()
	if !info.Mode().IsRegular() { // not a pipe or a device, and no list of a folder
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	if t := typeOf(info.Name()); t != "" {
		w.Header().Set("Content-Type", t)
	}
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
}

// redirectToFolder adds the slash that relative links on the folder's page
// need. The name is clean and has one leading slash, so it cannot lead to
// another host.
func redirectToFolder(w http.ResponseWriter, r *http.Request, name string) {
	u := *r.URL
	u.Scheme, u.Host, u.RawPath, u.Path = "", "", "", name+"/"
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusMovedPermanently)
}

// openFile opens without waiting: a pipe without a writer would block for ever.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func (f *Front) fileError(w http.ResponseWriter, r *http.Request, in admission, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENXIO):
		http.Error(w, "There is no such page.", http.StatusNotFound)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		f.log.Error("read file", "account", in.gate.name, "path", r.URL.Path, "error", err)
		http.Error(w, "The page cannot be read at the moment.", http.StatusInternalServerError)
	default: // leads outside, a loop, no permission
		f.log.Warn("refused", "account", in.gate.name, "path", r.URL.Path, "reason", err)
		http.Error(w, "This page may not be shown.", http.StatusForbidden)
	}
}
