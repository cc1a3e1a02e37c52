package launch

import (
	"net/netip"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Network is where a region's default VPC lies. One that has no place yet gets one, outside of what is busy on this machine; the caller,
// in a transaction, keeps it if it is new.
func Network(t *state.Tables, region, account string, busy []netip.Prefix) (n *fleet.Network, isNew bool, err error) {
	key := fleet.Network{Region: region, Account: account}
	if n, ok := t.Networks.Get(key.Key()); ok {
		return n, false, nil
	}
	chosen, ok := fleet.ChooseNetwork(t.Block(), region, account, t.Networks.All(), busy)
	if !ok {
		return nil, false, fault.New("InsufficientAddressCapacity", "There is no range of addresses left on this machine for the default VPC of region %s.", region)
	}
	return &chosen, true, nil
}
