//go:build linux

package look

import (
	"path/filepath"
	"strings"

	"github.com/stopover/stopover/providers/mention"
)

// worth says what a file may say that is worth reading, by what is known without
// opening it.
func (c *contents) worth(name []byte, info fileInfo, j *dirJob) content {
	if info.size == 0 {
		return 0
	}
	lower := strings.ToLower(string(name))
	ext := filepath.Ext(lower)
	runs := info.mode&0o111 != 0
	var what content
	switch {
	case ext == ".so" || ext == ".node" || strings.Contains(lower, ".so."):
		return isBinary
	case runs && !isData(ext):
		what = isUnnamed
	}
	if j.foreign {
		if ext != "" {
			return 0
		}
		return what
	}
	what |= kindOf(lower, ext)
	if what&isSettings != 0 && info.size > mention.MaxFile && what&(isPages|isPHPSetting|isMeta) == 0 {
		what &^= isSettings
		if ext == ".php" || ext == ".inc" {
			what |= isPHP
		}
	}
	return what
}

// kindOf goes by the name alone.
func kindOf(name, ext string) content {
	switch name {
	case ".htaccess":
		return isPages | isSettings
	case "php.ini", ".user.ini":
		return isPHPSetting | isSettings
	case "composer.json", "package.json":
		return isMeta | isSettings
	case "composer.lock", "composer.phar", "gemfile.lock", "pyvenv.cfg", ".node-version", ".nvmrc", ".ruby-version", ".python-version", "package-lock.json", "yarn.lock", "pnpm-lock.yaml":
		return isMeta
	case ".bashrc", ".profile", ".bash_profile", ".bash_login", ".bash_aliases", ".zshrc", ".zprofile", ".zshenv", ".login", ".cshrc", "makefile", "procfile", "rakefile", "crontab":
		return isShell
	case "server.js", "app.js", "index.js", "main.js", "server.mjs", "app.mjs", "index.mjs", "server.cjs", "server.ts", "ecosystem.config.js":
		return isCode
	}
	switch ext {
	case ".php", ".inc", ".phtml", ".php5", ".php7":
		return isPHP | isSettings
	case ".sh", ".bash", ".zsh", ".ksh", ".csh", ".fish", ".cron", ".service":
		return isShell
	case ".py", ".pl", ".rb", ".cgi", ".fcgi", ".wsgi", ".ru", ".lua", ".pm":
		return isCode
	}
	if mention.Settings(name) {
		return isSettings
	}
	return 0
}

// isData says that a name is that of something that no system runs, whatever
// its bits say.
func isData(ext string) bool {
	switch ext {
	case ".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".ico", ".bmp", ".css", ".scss", ".less", ".map", ".woff", ".woff2", ".ttf", ".eot", ".otf",
		".html", ".htm", ".txt", ".md", ".rst", ".csv", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".odt", ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".rar", ".7z",
		".mp3", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".ogg", ".wav", ".flac", ".sql", ".db", ".sqlite", ".log", ".js", ".mjs", ".ts", ".tsx", ".jsx", ".vue", ".json", ".xml", ".yml", ".yaml",
		".po", ".mo", ".pot", ".tpl", ".twig", ".ini", ".conf", ".pyc", ".h", ".c", ".lock":
		return true
	}
	return false
}

// library says that a directory holds what others wrote, beside those that know
// nothing of a server by any account (mention.Foreign).
func library(name string) bool {
	switch name {
	case "vendor", "site-packages", "dist-packages", "__pycache__", "wp-includes", "wp-admin", "bower_components", ".rustup", ".cargo", ".nvm", ".pyenv", ".rbenv", ".composer":
		return true
	}
	return false
}
