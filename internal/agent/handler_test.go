package agent

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/metadata"
)

// work is a task engine that records its calls.
type work struct {
	applied []acs.Task
	records []engine.Record
	refuse  error
}

func (w *work) SetHosts([]acs.HostEntry) {}

func (w *work) Apply(t acs.Task) error {
	w.applied = append(w.applied, t)
	return w.refuse
}

func (w *work) Tasks() []engine.Record { return w.records }

func newHandler(t *testing.T, dir string, w *work) *handler {
	t.Helper()
	store, err := checkpoint.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	h := &handler{
		containerInstance: testInstance, tasks: w, credentials: metadata.NewCredentials(), store: store,
		attached: func(acs.AttachTaskNetworkInterfaces) {}, log: slog.New(slog.DiscardHandler),
	}
	if err := h.load(); err != nil {
		t.Fatal(err)
	}
	return h
}

func kinds(answers []acs.Message) (out []string) {
	for _, a := range answers {
		out = append(out, a.MessageType())
	}
	return out
}

func payload(seq int64, tasks ...acs.Task) *acs.Payload {
	return &acs.Payload{
		MessageID: "m", ClusterARN: testCluster, ContainerInstanceARN: testInstance, SeqNum: seq, Tasks: tasks,
	}
}

// Stops are handled before starts. The agent answers with one ack for the payload and one for each set of
// credentials (ecs-agent.md 5).
func TestPayloadIsTakenOnAndAcked(t *testing.T) {
	w := &work{}
	h := newHandler(t, t.TempDir(), w)
	runs := webTask("1")
	answers := h.handle(payload(1, runs, acs.Task{ARN: taskARN("2"), DesiredStatus: acs.DesiredStopped}))
	if want := []string{"AckRequest", "IAMRoleCredentialsAckRequest"}; !slices.Equal(kinds(answers), want) {
		t.Errorf("answers %v, want %v", kinds(answers), want)
	}
	if len(w.applied) != 2 || w.applied[0].ARN != taskARN("2") {
		t.Errorf("applied %+v", w.applied)
	}
	w.refuse = checkpoint.ErrInUse
	if answers := h.handle(payload(2, runs)); len(answers) != 0 {
		t.Errorf("a payload that failed is answered with %v", kinds(answers))
	}
}

// Messages with a missing member are ignored (ecs-agent.md 4.3).
func TestBrokenMessagesAreNotAnswered(t *testing.T) {
	w := &work{}
	h := newHandler(t, t.TempDir(), w)
	for _, m := range []acs.Message{
		&acs.Payload{MessageID: "m", ClusterARN: "c", Tasks: []acs.Task{webTask("1")}},
		&acs.Payload{MessageID: "m", ClusterARN: "c", ContainerInstanceARN: "i"},
		&acs.Unknown{Type: "FooMessage"}, &acs.Error{}, &acs.RoleCredentialsUpdate{
			MessageID: "m", TaskARN: "unknown", Credentials: &acs.RoleCredentials{ID: "x"},
		},
	} {
		if answers := h.handle(m); len(answers) != 0 {
			t.Errorf("%s %+v is answered with %v", m.MessageType(), m, kinds(answers))
		}
	}
	if len(w.applied) != 0 {
		t.Errorf("applied %+v", w.applied)
	}
}

// The agent stops tasks that are not in a manifest only after they were verified, and only those that it asked about
// (ecs-agent.md 7).
func TestManifestAsksBeforeItStops(t *testing.T) {
	dir := t.TempDir()
	running := func(id string) engine.Record {
		return engine.Record{
			Task: acs.Task{ARN: taskARN(id)}, Desired: acs.DesiredRunning, Status: engine.StatusRunning,
		}
	}
	over := running("over")
	over.Status = engine.StatusStopped
	w := &work{records: []engine.Record{running("listed"), running("extra"), over}}
	h := newHandler(t, dir, w)
	manifest := &acs.TaskManifest{MessageID: "man", Timeline: 5,
		Tasks: []acs.TaskIdentifier{{TaskARN: taskARN("listed"), DesiredStatus: acs.DesiredRunning}}}
	answers := h.handle(manifest)
	if want := []string{"AckRequest", "TaskStopVerificationMessage"}; !slices.Equal(kinds(answers), want) {
		t.Fatalf("answers %v, want %v", kinds(answers), want)
	}
	if c := answers[1].(*acs.TaskStopVerification).StopCandidates; len(c) != 1 || c[0].TaskARN != taskARN("extra") {
		t.Errorf("candidates %+v", c)
	}
	ack := func(id string) *acs.TaskStopVerificationAck {
		return &acs.TaskStopVerificationAck{MessageID: id,
			StopTasks: []acs.TaskIdentifier{{TaskARN: taskARN("extra")}, {TaskARN: taskARN("listed")}}}
	}
	h.handle(ack("other"))
	h.handle(ack("man"))
	h.handle(ack("man"))
	if len(w.applied) != 1 || w.applied[0].ARN != taskARN("extra") || w.applied[0].DesiredStatus != acs.DesiredStopped {
		t.Errorf("applied %+v", w.applied)
	}
	h.handle(payload(9, webTask("1")))
	for _, timeline := range []int64{5, 9} {
		manifest.Timeline = timeline
		if answers := h.handle(manifest); len(answers) != 0 {
			t.Errorf("a manifest with the old timeline %d is answered with %v", timeline, kinds(answers))
		}
	}
	// After a restart, the agent still knows the sequence number of the last manifest.
	h.store.Close()
	manifest.Timeline = 5
	if answers := newHandler(t, dir, w).handle(manifest); len(answers) != 0 {
		t.Errorf("after a restart: %v", kinds(answers))
	}
}

func TestUpdatesAreRefused(t *testing.T) {
	h := newHandler(t, t.TempDir(), &work{})
	for _, m := range []acs.Message{&acs.StageUpdate{MessageID: "u"}, &acs.PerformUpdate{MessageID: "u"}} {
		answers := h.handle(m)
		if len(answers) != 1 || answers[0].(*acs.Nack).Reason != "Updates are disabled" {
			t.Errorf("%s is answered with %+v", m.MessageType(), answers)
		}
	}
}
