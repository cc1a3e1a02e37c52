package notify

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/topic"
)

// signed returns a signed notification.
func signed(t *testing.T, version, cert string) *topic.Document {
	t.Helper()
	k := &keyring{Env: control.Env{Now: time.Now, Random: rand.Reader}, secret: secret}
	s, err := k.open(testKey())
	if err != nil {
		t.Fatal(err)
	}
	doc := topic.NewDocument("http://"+host, &topic.Topic{ARN: ops, SignatureVersion: version},
		&topic.Subscription{ARN: ops + ":a", TopicARN: ops},
		&topic.Delivery{MessageID: "m1", Kind: topic.Notification, At: time.Unix(1e9, 0)},
		&topic.Publication{ID: "m1", Subject: "Subject: é", Message: "line 1\nline <2> \"ü\""})
	doc.SigningCertURL = cert
	if doc.Signature, err = s.sign(version, doc.StringToSign()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The signature is that of the certificate's key: of the SHA-1 in version 1, of the SHA-256 in version 2.
func TestSignatures(t *testing.T) {
	block, _ := pem.Decode([]byte(testKey().Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1", "2"} {
		doc := signed(t, version, "")
		signature, err := base64.StdEncoding.DecodeString(doc.Signature)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte("Message\nline 1\nline <2> \"ü\"\nMessageId\nm1\nSubject\nSubject: é\nTimestamp\n" +
			"2001-09-09T01:46:40.000Z\nTopicArn\n" + ops + "\nType\nNotification\n")
		one, two := sha1.Sum(text), sha256.Sum256(text)
		hash, digest := crypto.SHA1, one[:]
		if version == "2" {
			hash, digest = crypto.SHA256, two[:]
		}
		if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), hash, digest, signature); err != nil {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// Amazon's validator for Node.js accepts both versions, and refuses a message that was changed.
func TestAmazonsValidator(t *testing.T) {
	js, err := filepath.Abs("../../awswire/testdata/js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(js, "node_modules", "sns-validator")); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("sns-validator is missing (npm install in internal/awswire/testdata/js)")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == testKey().CertificatePath() {
			_, _ = io.WriteString(w, testKey().Certificate)
		}
	}))
	defer server.Close()
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1", "2"} {
		doc := signed(t, version, server.URL+testKey().CertificatePath())
		for _, want := range []string{"valid", "The message signature is invalid."} {
			text, err := doc.JSON()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "node", filepath.Join(js, "sns.mjs"))
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+root)
			cmd.Stdin = strings.NewReader(string(text))
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != want {
				t.Errorf("version %s: %s, %v, want %s", version, got, err, want)
			}
			doc.Message += "."
		}
	}
}

// The private key is not in the row.
func TestKeyIsSealed(t *testing.T) {
	k := &keyring{Env: control.Env{Now: time.Now, Random: rand.Reader}, secret: make([]byte, 32)}
	if _, err := k.open(testKey()); err == nil || !strings.Contains(err.Error(), "cannot be decrypted") {
		t.Errorf("opened with another secret: %v", err)
	}
	if _, err := k.open(&topic.SigningKey{Sealed: []byte{1}}); err == nil {
		t.Error("a damaged key was opened")
	}
}

// What an endpoint answers decides whether it is asked again.
func TestSender(t *testing.T) {
	var got *http.Request
	var body []byte
	status := 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		if status == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write(make([]byte, 1<<20)) // more than anybody reads
	}))
	defer server.Close()
	sender := NewSender()
	request := &Request{strings.Replace(server.URL, "://", "://user:pass@", 1) + "/in?x=1",
		[][2]string{{"x-amz-sns-message-type", "Notification"}, {"Content-Type", "text/plain"}}, []byte("hello")}
	for code, want := range map[int]Outcome{
		200: {}, 204: {}, 302: {"the endpoint answered with status 302", false},
		403: {"the endpoint answered with status 403", false}, 429: {"the endpoint answered with status 429", true},
		500: {"the endpoint answered with status 500", true},
	} {
		status = code
		if o := sender.Send(t.Context(), request); o != want {
			t.Errorf("status %d: %+v, want %+v", code, o, want)
		}
		if got.URL.Path != "/in" {
			t.Errorf("status %d: the sender followed a redirect to %s", code, got.URL.Path)
		}
	}
	if user, pass, _ := got.BasicAuth(); user != "user" || pass != "pass" || string(body) != "hello" ||
		got.Method != "POST" || got.Header.Get("X-Amz-Sns-Message-Type") != "Notification" {
		t.Errorf("%s %v %s", got.Method, got.Header, body)
	}
	bad := &Request{URL: "http://user:pass@[/in"} // a request cannot be made from it
	if o := sender.Send(t.Context(), bad); !o.Retry || o.Problem == "" || strings.Contains(o.Problem, "pass") {
		t.Errorf("a bad URL: %+v", o)
	}
	server.Close()
	if o := sender.Send(t.Context(), request); !o.Retry || strings.Contains(o.Problem, "pass") {
		t.Errorf("without a server: %+v", o)
	}
}

// Nothing is sent to addresses where clouds have services that trust this machine, however they are written.
func TestForbiddenAddresses(t *testing.T) {
	sender := NewSender()
	for _, url := range []string{
		"http://169.254.169.254/latest/api/token", "http://[::ffff:169.254.170.2]/", "http://[fe80::1%25lo]/",
		"http://0.0.0.0:1/", "http://[::]:1/", "http://224.0.0.1/", "http://[fd00:ec2::254]/",
	} {
		o := sender.Send(t.Context(), &Request{URL: url})
		if o.Retry || !strings.Contains(o.Problem, errAddress.Error()) {
			t.Errorf("%s: %+v", url, o)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "10.1.2.3:443", "[::1]:80", "203.0.113.9:80"} {
		if err := allowed("tcp", address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if allowed("tcp", "nonsense", nil) == nil {
		t.Error("an address that cannot be read is allowed")
	}
}
