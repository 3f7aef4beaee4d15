//go:build linux

package look

import (
	"context"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// phpSettings are those of php.ini that decide whether an application still
// works: bounds, what is forbidden, what is loaded, how dates and characters are
// read.
func phpSettings() []string {
	return []string{
		"memory_limit", "max_execution_time", "max_input_vars", "max_input_time", "upload_max_filesize", "post_max_size", "max_file_uploads",
		"disable_functions", "disable_classes", "open_basedir", "allow_url_fopen", "allow_url_include", "auto_prepend_file", "auto_append_file",
		"short_open_tag", "default_charset", "date.timezone", "error_reporting", "display_errors", "session.save_path", "session.save_handler",
		"session.gc_maxlifetime", "sendmail_path", "include_path", "output_buffering", "realpath_cache_size", "opcache.enable", "opcache.memory_consumption",
		"mysqli.default_socket", "pdo_mysql.default_socket", "zend.assertions", "variables_order", "cgi.fix_pathinfo", "extension_dir", "user_ini.filename",
	}
}

var phpLine = regexp.MustCompile(`^\d+\.\d+$`)

// php lists the installed lines of PHP: as Debian lays them out, then as
// Remi's and others' packages do, then the one of /etc/php.ini.
func (r root) php(ctx context.Context, s *schema.System) []schema.PHP {
	var list []schema.PHP
	for _, d := range r.glob("/etc/php/*") {
		if v := filepath.Base(d); phpLine.MatchString(v) {
			if p, ok := r.phpDebian(ctx, v, d, s); ok {
				list = append(list, p)
			}
		}
	}
	for _, ini := range append(r.glob("/etc/opt/remi/php*/php.ini"), "/etc/php.ini", "/usr/local/etc/php/php.ini") {
		if r.isFile(ini) {
			if p, ok := r.phpOther(ctx, ini); ok && !slices.ContainsFunc(list, func(x schema.PHP) bool { return x.Version == p.Version }) {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, func(x, y schema.PHP) int { return compareVersions(x.Version, y.Version) })
	return list
}

// phpDebian reads a line of PHP as Debian lays it out. A directory that is left
// of a removed package is none: there must be a program.
func (r root) phpDebian(ctx context.Context, v, dir string, s *schema.System) (schema.PHP, bool) {
	p := schema.PHP{Version: v, Settings: map[string]string{}}
	program := cmpOr(firstThere(r, "/usr/sbin/php-fpm"+v, "/usr/bin/php"+v, "/usr/bin/php-cgi"+v, "/usr/lib/apache2/modules/libphp"+v+".so", "/usr/lib/apache2/modules/libphp"+v[:1]+".so"))
	if program == "" {
		return p, false
	}
	for _, x := range s.Packages {
		if x.Name == "php"+v+"-common" || x.Name == "php"+v+"-cli" || x.Name == "php"+v+"-fpm" {
			p.Full = cmpOr(p.Full, upstream(x.Version))
		}
	}
	sapi := cmpOr(firstThere(r, dir+"/fpm", dir+"/apache2", dir+"/cgi", dir+"/cli"))
	r.phpIni(&p, filepath.Join(sapi, "php.ini"), filepath.Join(sapi, "conf.d"))
	r.phpBuiltIn(ctx, &p, firstThere(r, "/usr/bin/php"+v, "/usr/sbin/php-fpm"+v, "/usr/bin/php-cgi"+v))
	p.API = r.phpAPI(program)
	if p.API == "" {
		p.API = r.onlyAPI(v)
	}
	return p, true
}

func (r root) phpOther(ctx context.Context, ini string) (schema.PHP, bool) {
	program := firstThere(r, "/usr/sbin/php-fpm", "/usr/bin/php", "/usr/local/bin/php", "/usr/local/sbin/php-fpm")
	scan := filepath.Join(filepath.Dir(ini), "php.d")
	if name, ok := strings.CutPrefix(filepath.Dir(ini), "/etc/opt/remi/"); ok {
		program = firstThere(r, "/opt/remi/"+name+"/root/usr/sbin/php-fpm", "/opt/remi/"+name+"/root/usr/bin/php")
	}
	if program == "" {
		return schema.PHP{}, false
	}
	out, err := r.run(ctx, program, "-n", "-v")
	full := firstVersion(out)
	if err != nil || full == "" {
		return schema.PHP{}, false
	}
	p := schema.PHP{Version: versionLine(full, 2), Full: full, API: r.phpAPI(program), Settings: map[string]string{}}
	if !r.isDir(scan) {
		scan = filepath.Join(filepath.Dir(ini), "conf.d")
	}
	r.phpIni(&p, ini, scan)
	r.phpBuiltIn(ctx, &p, program)
	return p, true
}

func firstThere(r root, paths ...string) string {
	for _, p := range paths {
		if r.exists(p) {
			return p
		}
	}
	return ""
}

// upstream is a package's version without what the distribution adds to it:
// "1:8.2.29-1~deb12u1" is 8.2.29.
func upstream(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	v, _, _ = strings.Cut(v, "+")
	v, _, _ = strings.Cut(v, "~")
	return v
}

// phpIni reads php.ini and the files that are read after it, in their order: the
// last one to set something has its way.
func (r root) phpIni(p *schema.PHP, ini, scan string) {
	wanted := phpSettings()
	loaded := map[string]bool{}
	for _, f := range append([]string{ini}, r.glob(filepath.Join(scan, "*.ini"))...) {
		b, err := r.read(f, smallFile)
		if err != nil {
			continue
		}
		for _, e := range parseIni(b) {
			switch {
			case e.key == "extension" || e.key == "zend_extension":
				loaded[extensionName(e.value)] = true
			case slices.Contains(wanted, e.key):
				p.Settings[e.key] = e.value
			}
		}
	}
	p.Extensions = slices.Sorted(maps.Keys(loaded))
}

// phpBuiltIn adds the extensions that are part of the program.
func (r root) phpBuiltIn(ctx context.Context, p *schema.PHP, program string) {
	out, err := r.run(ctx, program, "-n", "-m")
	if program == "" || err != nil {
		return
	}
	lines(out, func(_ int, line string) bool {
		if line = strings.ToLower(strings.TrimSpace(line)); line != "" && line[0] != '[' && !strings.Contains(line, " ") {
			p.Extensions = append(p.Extensions, line)
		}
		return true
	})
	slices.Sort(p.Extensions)
	p.Extensions = slices.Compact(p.Extensions)
}

// extensionName is "intl" for intl, intl.so and /usr/lib/php/20220829/intl.so.
func extensionName(v string) string {
	return strings.TrimPrefix(strings.TrimSuffix(filepath.Base(v), ".so"), "php_")
}

var phpAPIDir = regexp.MustCompile(`/(?:usr/)?(?:local/)?lib(?:64)?/php/(?:extensions/[a-z-]*|modules/)?(\d{8})`)

// phpAPI finds the directory of extensions in the program's text; its last part
// is the API that they are built for.
func (r root) phpAPI(program string) string {
	b, _ := r.read(r.resolve(program), bigFile)
	if m := phpAPIDir.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// phpAPIs are the extension APIs of the lines of PHP.
func phpAPIs() map[string]string {
	return map[string]string{
		"5.6": "20131226", "7.0": "20151012", "7.1": "20160303", "7.2": "20170718", "7.3": "20180731", "7.4": "20190902",
		"8.0": "20200930", "8.1": "20210902", "8.2": "20220829", "8.3": "20230831", "8.4": "20240924",
	}
}

func (r root) onlyAPI(line string) string {
	if api := phpAPIs()[line]; r.isDir("/usr/lib/php/" + api) {
		return api
	}
	return ""
}
