package cli

import (
	"fmt"

	"github.com/berthhq/berth/internal/scaling"
)

// pace is a scaling.Pace as a flag has it.
type pace scaling.Pace

func (p *pace) Type() string { return "pace" }

func (p *pace) String() string {
	if *p == pace(scaling.PaceOfAWS) {
		return "aws"
	}
	return string(*p)
}

func (p *pace) Set(text string) error {
	switch text {
	case "aws":
		*p = pace(scaling.PaceOfAWS)
	case string(scaling.PaceOfSeconds):
		*p = pace(scaling.PaceOfSeconds)
	default:
		return fmt.Errorf("%q is not a pace; write aws or seconds", text)
	}
	return nil
}
