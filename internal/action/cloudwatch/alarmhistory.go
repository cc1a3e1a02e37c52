package cloudwatch

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
)

func (a *api) describeAlarmHistory(
	_ context.Context, call *awswire.Call, in *shape.DescribeAlarmHistoryInput,
) (*shape.DescribeAlarmHistoryOutput, error) {
	prefix := alarm.Prefix(call.Region, call.Account)
	if in.AlarmName != nil {
		key, err := named(call, in.AlarmName)
		if err != nil {
			return nil, err
		}
		prefix = alarm.HistoryPrefix(key)
	}
	list := slices.Collect(request.Where(a.store.View().AlarmHistory.Prefix(prefix),
		func(h *alarm.HistoryItem) bool { return inHistory(h, in) && h.At.After(call.Now.Add(-alarm.KeptFor)) }))
	asked := alarmPages.Ask(in.MaxRecords, in.NextToken)
	asked.Descending = in.ScanBy != shape.ScanByTimestampAscending
	found, next, err := request.Page(call, asked, list, historyOrder, append([]string{prefix, in.HistoryItemType,
		in.ScanBy, fmt.Sprint(in.StartDate), fmt.Sprint(in.EndDate)}, in.AlarmTypes...)...)
	return &shape.DescribeAlarmHistoryOutput{
		AlarmHistoryItems: request.Answers(found, answerHistory), NextToken: next,
	}, err
}

// inHistory reports whether the request asks for an item.
func inHistory(h *alarm.HistoryItem, in *shape.DescribeAlarmHistoryInput) bool {
	return (in.HistoryItemType == "" || in.HistoryItemType == string(h.Type)) &&
		(len(in.AlarmTypes) == 0 || slices.Contains(in.AlarmTypes, typeOf(h.Composite))) &&
		(in.StartDate == nil || !h.At.Before(*in.StartDate)) && (in.EndDate == nil || !h.At.After(*in.EndDate))
}

// historyOrder sorts the items of all alarms by time, and those of one alarm by their sequence.
func historyOrder(h *alarm.HistoryItem) string {
	return h.At.UTC().Format("2006-01-02T15:04:05.000000000") + h.Key()
}

func answerHistory(h *alarm.HistoryItem) shape.AlarmHistoryItem {
	return shape.AlarmHistoryItem{
		AlarmName: &h.Name, AlarmType: typeOf(h.Composite), Timestamp: &h.At,
		HistoryItemType: string(h.Type), HistorySummary: &h.Summary, HistoryData: &h.Data,
	}
}
