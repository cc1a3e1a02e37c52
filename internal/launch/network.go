package launch

import (
	"net/netip"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Network returns the address range of a region's default VPC. If the region has none yet, it
// chooses one that does not overlap with what is busy on this machine. The caller must be in a
// transaction, and store the row if it is new.
func Network(t *state.Tables, region, account string, busy []netip.Prefix) (n *fleet.Network, isNew bool, err error) {
	key := fleet.Network{Region: region, Account: account}
	if n, ok := t.Networks.Get(key.Key()); ok {
		return n, false, nil
	}
	chosen, ok := fleet.ChooseNetwork(t.Block(), region, account, t.Networks.All(), busy)
	if !ok {
		return nil, false, fault.New("InsufficientAddressCapacity",
			"There is no range of addresses left on this machine for the default VPC of region %s.", region)
	}
	return &chosen, true, nil
}
