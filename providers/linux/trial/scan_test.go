//go:build linux

package trial

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// statementsOf are the statements of a dump: "line: text (tuples)".
func statementsOf(dump string) ([]string, *scanner, error) {
	s := newScanner(strings.NewReader(dump))
	var out []string
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return out, s, nil
		}
		if err != nil {
			return out, s, err
		}
		s.mind(st.text)
		out = append(out, fmt.Sprintf("%d: %s (%d)", st.line, st.text, st.tuples))
	}
}

func TestScan(t *testing.T) {
	for name, c := range map[string]struct {
		dump string
		want []string
		err  string
		done bool
	}{
		"statements":  {dump: "-- a; b\n\nSELECT 1;# c;\nSELECT 2 ;\n-- Dump completed on x\n", want: []string{"3: SELECT 1 (0)", "4: SELECT 2 (0)"}, done: true},
		"quotes":      {dump: "INSERT INTO `a;``b` VALUES ('x;''y\\';(',\";\\\"\"),(2,'--'),(NULL);", want: []string{"1: INSERT INTO `a;``b` VALUES ('x;''y\\';(',\";\\\"\"),(2,'--'),(NULL) (3)"}},
		"columns":     {dump: "INSERT INTO `VALUES` (`a`,b) VALUES (1,(2)),(3,4);", want: []string{"1: INSERT INTO `VALUES` (`a`,b) VALUES (1,(2)),(3,4) (2)"}},
		"delimiter":   {dump: "DELIMITER ;;\nCREATE x BEGIN a; b; /* ;; */ END ;;\nDELIMITER ;\nSELECT 1;", want: []string{"2: CREATE x BEGIN a; b; /* ;; */ END (0)", "4: SELECT 1 (0)"}},
		"executed":    {dump: "/*!50003 SET sql_mode = 'NO_BACKSLASH_ESCAPES' */;\nSELECT '\\';\nSET sql_mode='';\nSELECT '\\';';", want: []string{"1: /*!50003 SET sql_mode = 'NO_BACKSLASH_ESCAPES' */ (0)", "2: SELECT '\\' (0)", "3: SET sql_mode='' (0)", "4: SELECT '\\';' (0)"}},
		"unfinished":  {dump: "SELECT 1", err: "in the middle"},
		"open quote":  {dump: "SELECT 'x;\n", err: "in the middle"},
		"open note":   {dump: "SELECT /* x;\n", err: "in the middle"},
		"not the end": {dump: "-- Dump completed\nSELECT 1;", want: []string{"2: SELECT 1 (0)"}},
		"delimiters":  {dump: "DELIMITER `\nSELECT 1`", err: "delimiter"},
	} {
		got, s, err := statementsOf(c.dump)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || strings.Join(got, "|") != strings.Join(c.want, "|") || s.complete != c.done {
			t.Errorf("%s: %q %v, complete %v", name, got, err, s.complete)
		}
	}
}

func TestUnderstand(t *testing.T) {
	for in, want := range map[string]string{
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b c`*/ /*!50003 TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW SET @a='*/' */": "create trigger t of a@b c: CREATE   TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW SET @a='*/'",
		"CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 1":                                                           "create procedure p of root@localhost: CREATE PROCEDURE `p`() SELECT 1",
		"CREATE DEFINER=CURRENT_USER() FUNCTION f() RETURNS INT RETURN 1":                                                      "create function f of CURRENT_USER@%: CREATE FUNCTION f() RETURNS INT RETURN 1",
		"CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS SELECT 1":                                 "run view v of a@%: CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS SELECT 1",
		"CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ENABLE' DO SELECT 1":              "create event e of : CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE DISABLE COMMENT 'ENABLE' DO SELECT 1",
		"CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO BEGIN /* PRESERVE ENABLE */ END":                                          "refuse event e",
		"/*!40101 SET NAMES utf8mb4 */":               "run statement of : SET NAMES utf8mb4",
		"/*!80000 DROP DATABASE x */":                 "skip",
		"/*M!999999\\- enable the sandbox mode */":    "skip",
		"/*!99999 SET @a=1 */ DROP DATABASE x":        "refuse statement \"DROP DATABASE x\"",
		"ALTER DATABASE `shop` CHARACTER SET latin1":  "run statement of : ALTER DATABASE `scratch`  CHARACTER SET latin1",
		"CREATE USER a":                               "refuse statement \"CREATE USER a\"",
		"CREATE TABLE IF NOT EXISTS `t` (a INT)":      "run table t of : CREATE TABLE IF NOT EXISTS `t` (a INT)",
		"LOCK TABLES `t` WRITE":                       "skip",
		"INSERT  IGNORE INTO `a``b` VALUES (1)":       "run rows of table a`b of : INSERT  IGNORE INTO `a``b` VALUES (1)",
		"CALL p()":                                    "refuse statement \"CALL p()\"",
		"\\! touch x":                                 "refuse statement \"\\\\! touch x\"",
		"(SELECT 1)":                                  "refuse statement \"(SELECT 1)\"",
		"BEGIN NOT ATOMIC DROP DATABASE victim; END ": "skip",
	} {
		m := understand(unwrap([]byte(in), 101119, false), "scratch", false)
		got := strings.TrimSpace(m.do + " " + m.what)
		if m.do == "run" || m.do == "create" {
			got += " of " + m.definer + ": " + strings.TrimSpace(string(m.text))
		}
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s\nis   %s\nwant %s", in, got, want)
		}
		if m.do == "create" && (m.head <= 0 || m.head > len(m.text) || !strings.HasSuffix(strings.TrimRight(string(m.text[:m.head]), "`"), m.name)) {
			t.Errorf("%s: after the name comes %q", in, m.text[m.head:])
		}
	}
}

// Whatever comes, reading it ends, and what is said of it lies inside of it.
func FuzzScan(f *testing.F) {
	for _, s := range []string{"SELECT 1;", "DELIMITER ;;\nCREATE DEFINER=`a`@`b` EVENT e ON COMPLETION PRESERVE ENABLE DO x;;", "/*!50003 CREATE*/ /*!50017 DEFINER=a*/ TRIGGER t;", "INSERT INTO t VALUES ('\\'),(1);", "CREATE DEFINER=", "ALTER DATABASE"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dump string) {
		s := newScanner(strings.NewReader(dump))
		for {
			st, err := s.next()
			if err != nil {
				return
			}
			s.mind(st.text)
			m := understand(unwrap(st.text, 101119, s.plain), "scratch", s.plain)
			if m.head < 0 || m.head > len(m.text) {
				t.Fatalf("%q: head %d of %d", st.text, m.head, len(m.text))
			}
			if len(m.text) > len(st.text)+64 {
				t.Fatalf("%q became %q", st.text, m.text)
			}
		}
	})
}
