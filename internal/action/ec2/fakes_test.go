package ec2

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const (
	region  = desktest.Region
	account = desktest.Account
)

// desk is the front desk with a store and without controllers. The tests make the controllers' changes.
type desk struct {
	*desktest.Desk
	t     *testing.T
	store *state.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s := desktest.Store(t)
	return &desk{desktest.New(t, Service(s, fakeHost{})), t, s}
}

// call sends a signed Query request, given as "Action a=b c=d". It returns the XML inside the answer, or
// "Code: message" of a fault.
func (d *desk) call(line string) string {
	d.t.Helper()
	return d.Query(d.t, "ec2", desktest.Form(shape.APIVersion, line))
}

// ok makes a call that must succeed.
func (d *desk) ok(line string) string {
	d.t.Helper()
	out := d.call(line)
	if !strings.HasPrefix(out, "<") {
		d.t.Fatalf("%s: %s", line, out)
	}
	return out
}

// run makes one instance and returns its id.
func (d *desk) run(more string) string {
	d.t.Helper()
	return element(d.ok("RunInstances ImageId=ami-0123456789abcdef0 InstanceType=t2.micro MinCount=1 MaxCount=1 "+
		more), "instanceId")
}

// is does what the controller would do: it changes an instance's row, such as its state.
func (d *desk) is(id string, change func(*fleet.Instance)) {
	d.t.Helper()
	err := d.store.Update(d.t.Context(), func(tx *state.Tx) error {
		i, ok := tx.Instances.Get(fleet.InstanceARN(region, account, id))
		if !ok {
			d.t.Fatalf("no instance %s", id)
		}
		c := i.Clone()
		change(c)
		tx.Instances.Put(c)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func running(i *fleet.Instance) { i.State, i.Machine.Phase = fleet.Running, fleet.PhaseUp }

// element returns the text of the first element with that name.
func element(xml, name string) string {
	_, rest, _ := strings.Cut(xml, "<"+name+">")
	text, _, _ := strings.Cut(rest, "<")
	return text
}

// tags returns the texts of all elements with that name.
func tags(xml, name string) (all []string) {
	for _, part := range strings.Split(xml, "<"+name+">")[1:] {
		text, _, _ := strings.Cut(part, "<")
		all = append(all, text)
	}
	return all
}

type fakeHost struct{ busy func() []netip.Prefix }

func (fakeHost) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	a, _ := new(fleet.Block).NextAddress(taken, nil)
	return a, nil
}

func (h fakeHost) Busy(string) []netip.Prefix {
	if h.busy == nil {
		return nil
	}
	return h.busy()
}

func (fakeHost) ConsoleOutput(id string) ([]byte, time.Time, error) {
	return []byte("console of " + id), time.Unix(1700000000, 0), nil
}
