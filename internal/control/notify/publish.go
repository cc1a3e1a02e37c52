package notify

import (
	"context"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

// publish publishes the message of a due action to its topic, and adds that to the alarm's history.
func (c *Controller) publish(ctx context.Context, key string) error {
	var p *topic.Publication
	var due, full int
	err := c.Commit(ctx, key, func(tx *state.Tx, m control.Moment) error {
		p = nil
		d, ok := tx.DueActions.Get(key)
		if !ok {
			return nil
		}
		tx.DueActions.Delete(key)
		a, ok := tx.Alarms.Get(d.AlarmARN)
		if !ok {
			return nil
		}
		subject, message := a.Notification(d)
		if _, ok := tx.Topics.Get(d.Action); !ok {
			tx.AddAlarmHistory(alarm.Published(a, d, "", "Topic does not exist", m.Now))
			return nil
		}
		p = &topic.Publication{
			ID: newid.UUID(m.Random), TopicARN: d.Action, Subject: subject, Message: message, At: m.Now,
		}
		var err error
		if due, full, err = tx.Publish(p); err != nil {
			return err // the loop tries the action again later
		}
		tx.AddAlarmHistory(alarm.Published(a, d, message, "", m.Now))
		return nil
	})
	if err == nil && p != nil && c.cfg.Published != nil {
		c.cfg.Published(p, due, full)
	}
	return err
}
