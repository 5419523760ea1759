package intake
import ("context";"postern/crypto")
func (x *Session) ChangeCode(ctx context.Context, c crypto.Code) (*Session, error) { return x.s.Enter(ctx, c, WorkLogin) }
