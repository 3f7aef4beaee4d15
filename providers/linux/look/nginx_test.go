//go:build linux

package look

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told writes directives with their lines, blocks in braces.
func told(list []directive) string {
	var b strings.Builder
	for i := range list {
		d := &list[i]
		fmt.Fprintf(&b, "%d:%s%q", d.line, d.name, d.args)
		if d.open {
			b.WriteString("{" + told(d.block) + "}")
		}
		b.WriteString(";")
	}
	return b.String()
}

func TestParseNginx(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{"a b;", `1:a["b"];`, ""},
		{"# c\na 'x y' \"z\\\"q\" w\\ ;\n\nb{c;}\n", `2:a["x y" "z\"q" "w\\ "];4:b[]{4:c[];};`, ""},
		{"root /home/${user}/www;", `1:root["/home/${user}/www"];`, ""},
		{"location ~ \"\\.php{2}$\" { x \\n; }", `1:location["~" "\\.php{2}$"]{1:x["\\n"];};`, ""},
		{"content_by_lua_block {\n local t = { a = '}' } -- }\n}\nz;", `1:content_by_lua_block[]{};4:z[];`, ""},
		{"a;\nb {", `1:a[];2:b[]{};`, "f:2: a block is not closed"},
		{"a;\n}", `1:a[];`, "f:2: a brace closes nothing"},
		{"a\nb", `1:a["b"];`, "f:2: a directive is not closed"},
		{"a 'b", "", "f:1: a quote is not closed"},
		{";;", "", ""},
		{strings.Repeat("a{", 100), "", "f:1: blocks are nested too deep"},
	} {
		list, err := parseNginx("f", []byte(c.in))
		got := told(list)
		if err == nil && c.err != "" || err != nil && err.Error() != c.err || c.want != "" && got != c.want {
			t.Errorf("%q:\n%s %v\nwant\n%s %s", c.in, got, err, c.want, c.err)
		}
	}
}

func TestParseApache(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{"A b\n", `1:A["b"];`, ""},
		{"# no \\\n A x\nB \"c d\" 'e' f\\\n  g\n<D \"x y\">\n E\n</d>\nF", `3:B["c d" "e" "f" "g"];5:D["x y"]{6:E[];};8:F[];`, ""},
		{"<A>\n<B>\nC\n", `1:A[]{2:B[]{3:C[];};};`, "f:2: <B> is not closed"},
		{"A\n</B>\nC", `1:A[];`, "f:2: </B> closes nothing"},
		{"<A>\n</B>\n", "", "f:2: </B> closes nothing"},
		{"\n\n", "", ""},
		{"A \"unclosed", `1:A["unclosed"];`, ""},
	} {
		list, err := parseApache("f", []byte(c.in))
		got := told(list)
		if err == nil && c.err != "" || err != nil && err.Error() != c.err || c.want != "" && got != c.want {
			t.Errorf("%q:\n%s %v\nwant\n%s %s", c.in, got, err, c.want, c.err)
		}
	}
}

// TestApacheDecides: what is not loaded, not defined or made by macros.
func TestApacheDecides(t *testing.T) {
	r := made(t, map[string]string{
		"etc/apache2/envvars": "export APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n",
		"etc/apache2/apache2.conf": `Define BASE /home/shop
LoadModule ssl_module x.so
<IfModule mod_ssl.c>
  <VirtualHost *:443>
    ServerName https://secure.example:443
    DocumentRoot ${BASE}/secure
    SSLCertificateFile ssl/a.pem
  </VirtualHost>
</IfModule>
<IfModule !mod_ssl.c>
  <VirtualHost *:80>
    ServerName without.example
    DocumentRoot /home/shop/x
  </VirtualHost>
</IfModule>
<IfDefine NEVER>
  <VirtualHost *:80>
    ServerName never.example
  </VirtualHost>
</IfDefine>
<Macro Site $name $dir>
  <VirtualHost *:80>
    ServerName $name
    DocumentRoot $dir/www
    Use Site again /home/shop
  </VirtualHost>
</Macro>
Use Site one.example /home/shop/one
<VirtualHost *:80>
  ServerName app.example
  ProxyPass /.well-known !
  ProxyPass / http://localhost:9000/
  RewriteRule ^/x http://127.0.0.1:9001/x [P,L]
</VirtualHost>
<VirtualHost *:80>
  ServerName old.example
  Redirect permanent / https://secure.example/
</VirtualHost>
<VirtualHost *:80>
  ServerName py.example
  WSGIDaemonProcess py user=shop
  WSGIScriptAlias / /srv/py/app.wsgi
</VirtualHost>
`})
	hosts, a := r.apacheSites(nil)
	if len(a.errs) > 0 {
		t.Error(a.errs)
	}
	var got []string
	for _, v := range hosts {
		got = append(got, strings.Join([]string{fmt.Sprint(v.Line), v.Domain, v.Kind, v.Root, v.Pass, v.Cert, v.to, v.runAs, strings.Join(v.passes, ",")}, "|"))
	}
	want := []string{
		"4|secure.example|static|/home/shop/secure||/etc/apache2/ssl/a.pem|||",
		"22|one.example|static|/home/shop/one/www|||||",
		"29|app.example|proxy||http://localhost:9000/||||http://localhost:9000/,http://127.0.0.1:9001/x",
		"35|old.example|redirect||||secure.example||",
		"39|py.example||||||shop|",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestIncludesInACircle: files that include each other, and many times.
func TestIncludesInACircle(t *testing.T) {
	var many strings.Builder
	for range 2000 {
		many.WriteString("include /etc/nginx/a.conf;\n")
	}
	r := made(t, map[string]string{
		"etc/nginx/nginx.conf": "http { include a.conf; include missing/*; include /etc/none.conf; }\n",
		"etc/nginx/a.conf":     "server { server_name a.example; include b.conf; }\n" + many.String(), "etc/nginx/b.conf": "include b.conf; include b.conf;\n",
	})
	hosts, c := r.nginxSites(nil)
	if len(hosts) != 1 || hosts[0].Domain != "a.example" || len(c.errs) == 0 || len(c.errs) > 20 {
		t.Errorf("%d sites, %d mistakes", len(hosts), len(c.errs))
	}
	files := map[string]string{"etc/nginx/nginx.conf": "http { include 0.conf; }"}
	for i := range 10 { // no circle, and more than anybody could walk
		files[fmt.Sprintf("etc/nginx/%d.conf", i)] = strings.Repeat(fmt.Sprintf("include %d.conf;\n", i+1), 500)
	}
	if _, c := made(t, files).nginxSites(nil); c.walked > maxWalked+1000 {
		t.Errorf("walked %d directives", c.walked)
	}
	r = made(t, map[string]string{"etc/apache2/apache2.conf": "Define A x\nDefine A ${A}${A}${A}\n" + strings.Repeat("Define A ${A}${A}\n", 60) + "<Macro M $a>\nUse M $a$a\nUse M $a$a\n</Macro>\nUse M xx\nServerName ${A}\n<VirtualHost *>\nServerName ok.example\n</VirtualHost>\n"})
	if hosts, _ := r.apacheSites(nil); len(hosts) != 1 || hosts[0].Domain != "ok.example" {
		t.Errorf("%+v", hosts)
	}
}

func TestEndpoints(t *testing.T) {
	for in, want := range map[string]string{
		"unix:/run/php/a.sock": "/run/php/a.sock 0 true", "http://unix:/home/a/s.sock:/uri": "/home/a/s.sock 0 true", "unix:/run/b.sock|fcgi://localhost": "/run/b.sock 0 true",
		"http://127.0.0.1:8301/x": " 8301 true", "127.0.0.1:9000": " 9000 true", "http://localhost:3000": " 3000 true", "http://[::1]:80": " 80 true", "http://0.0.0.0:81": " 81 true",
		"http://192.0.2.1:80": " 80 false", "https://other.example": " 0 false", "http://$backend": " 0 false", "": " 0 false", "fcgi://localhost:99999999": " 0 false",
	} {
		s, p, l := endpoint(in)
		if got := fmt.Sprintf("%s %d %v", s, p, l); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestWhoseSite: by directory, user, port, socket, owner, name, redirect, file.
func TestWhoseSite(t *testing.T) {
	conf := `server { server_name byroot.example; root /var/www/shop; }
server { server_name byport.example; location / { proxy_pass http://127.0.0.1:8301; } }
server { server_name byalias.example; location /static/ { alias /home/blog/static/; } }
server { server_name redirected.example; return 301 https://byroot.example$request_uri; }
server { server_name www.byport.example; return 301 $scheme://byport.example; }
server { server_name nobody.example; root /srv/nobody; location / { proxy_pass http://127.0.0.1:9999; } }
server { server_name both.example; root /home/shop/../blog/www; }
server { server_name trick.example; root /home/shopping/www; }
`
	r := made(t, map[string]string{"etc/nginx/conf.d/all.conf": conf, "var/www/shop": "-> /home/shop/www", "home/shop/www/": "", "home/blog/www/": "", "home/shopping/www/": ""})
	w := worldOf(t, r, "shop", "blog")
	w.server.System.Ports = append(w.server.System.Ports, schemaPort("tcp", "127.0.0.1", 8301, 2002))
	if err := w.sites(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range w.accounts {
		for _, s := range a.Sites {
			got = append(got, a.Name+" "+s.Domain)
		}
	}
	want := []string{"shop byroot.example", "shop redirected.example", "blog both.example", "blog byalias.example", "blog byport.example", "blog www.byport.example"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := len(w.server.Findings); n != 2 {
		t.Errorf("%d findings: %+v", n, w.server.Findings)
	}
}

func FuzzParseNginx(f *testing.F) {
	for _, s := range []string{"a b;", "a{b;}", "'", "x_by_lua_block{\"", "${", "a\\", "server{server_name .x *.y ~z;}", "http{upstream a{server unix:/x;}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseNginx("f", []byte(s))
		if err == nil && strings.Count(told(list), "\n") > strings.Count(s, "\n") {
			t.Error("more lines than there were")
		}
		c := &conf{root: "/nonexistent", parse: parseNginx, base: "/etc/nginx", files: map[string][]directive{}}
		var hosts []*vhost
		c.walk(list, func(d *directive) bool { return c.level(d, &vhost{}, map[string][]string{}, &hosts) })
		for _, v := range hosts {
			v.resolve(nil)
			endpoint(v.Pass)
		}
	})
}

func FuzzParseApache(f *testing.F) {
	for _, s := range []string{"A b", "<A>\n</A>", "<Macro M $a>\nUse M $a\n</Macro>\nUse M b", "Define A ${A}\n", "A \\\n", "<VirtualHost *>\nServerName \"x\nProxyPass / !\n</VirtualHost>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, _ := parseApache("f", []byte(s))
		a := &apache{modules: map[string]bool{}, macros: map[string]*directive{}}
		a.conf = &conf{root: "/nonexistent", parse: parseApache, base: "/etc/apache2", files: map[string][]directive{}, vars: map[string]string{}}
		a.server(list)
		for _, v := range a.list {
			v.kind()
			endpoint(v.Pass)
		}
	})
}
