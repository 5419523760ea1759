package intake
import ("context";"postern/crypto")
func (x *Session) ChangeCode(ctx context.Context, c crypto.Code) (*Session, error) { panic("x") }
